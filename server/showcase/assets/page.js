// What a Showcase page does beyond its HTML: drawn controls, captions, find, click to seek, clips in place.
// No dependency, no network of its own; every text it shows was in the page already.

document.documentElement.classList.add('js');
const say = (text) => {
  const place = document.querySelector('[data-say]');
  if (place) place.textContent = text;
};
const timecode = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  return hours > 0
    ? `${hours}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
    : `${Math.floor(whole / 60)}:${two(whole % 60)}`;
};

// ---------------------------------------------------------------- player

const figure = document.querySelector('[data-player]');
const media = figure?.querySelector('video, audio');
const lines = [...document.querySelectorAll('.ln')].map((element) => ({
  element,
  start: Number(element.dataset.start),
  end: Number(element.dataset.end),
}));
let current = null;
let handsOff = 0;

function seek(seconds) {
  if (!media) return;
  const go = () => {
    media.currentTime = seconds;
  };
  if (media.readyState > 0) go();
  else media.addEventListener('loadedmetadata', go, { once: true });
  media.play().catch(() => {});
}

/** The line being spoken, marked and kept in sight unless the reader scrolls. */
function follow(seconds) {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].start <= seconds + 0.05) low = middle + 1;
    else high = middle;
  }
  const line = low > 0 && (media.currentTime > 0 || !media.paused) ? lines[low - 1] : null;
  if (line === current) return;
  current?.element.classList.remove('on');
  current?.element.removeAttribute('aria-current');
  current = line;
  if (!line) return;
  line.element.classList.add('on');
  line.element.setAttribute('aria-current', 'true');
  const box = document.querySelector('[data-lines]');
  if (!box || Date.now() < handsOff) return;
  const top = line.element.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top + line.element.offsetHeight > box.scrollTop + box.clientHeight - 40) {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    box.scrollTo({ top: top - box.clientHeight / 3, behavior: calm ? 'auto' : 'smooth' });
  }
}

if (figure && media) {
  const bar = figure.querySelector('.ct');
  const slider = bar.querySelector('input');
  const now = bar.querySelector('[data-now]');
  const act = (name) => bar.querySelector(`[data-act="${name}"]`);
  media.controls = false;
  bar.hidden = false;
  figure.classList.add('drawn');
  for (const mark of bar.querySelectorAll('u')) mark.style.left = `${mark.dataset.at}%`;

  const draw = () => {
    const length = media.duration || Number(slider.max);
    if (Number.isFinite(length)) slider.max = String(length);
    slider.value = String(media.currentTime);
    slider.setAttribute('aria-valuetext', `${timecode(media.currentTime)} of ${timecode(length)}`);
    now.textContent = timecode(media.currentTime);
    bar.querySelector('.pg').style.width = `${(media.currentTime / length) * 100}%`;
    const { buffered } = media;
    const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
    bar.querySelector('.bf').style.width = `${(end / length) * 100}%`;
    follow(media.currentTime);
  };
  for (const event of ['timeupdate', 'progress', 'loadedmetadata', 'seeked']) media.addEventListener(event, draw);
  const toggle = () => (media.paused ? media.play().catch(() => {}) : media.pause());
  const state = () => {
    figure.classList.toggle('playing', !media.paused);
    act('play').setAttribute('aria-label', media.paused ? 'Play' : 'Pause');
    wake();
  };
  for (const event of ['play', 'pause', 'ended']) media.addEventListener(event, state);
  act('play').addEventListener('click', toggle);
  if (media.tagName === 'VIDEO') media.addEventListener('click', toggle);
  slider.addEventListener('input', () => {
    media.currentTime = Number(slider.value);
  });
  slider.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -5, ArrowRight: 5, PageDown: -30, PageUp: 30 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    media.currentTime = Math.min(Math.max(0, media.currentTime + step), media.duration || 0);
  });

  const quiet = act('sound');
  quiet.addEventListener('click', () => {
    media.muted = !media.muted;
  });
  media.addEventListener('volumechange', () => quiet.setAttribute('aria-pressed', String(!media.muted)));
  act('full')?.addEventListener('click', () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (figure.requestFullscreen) figure.requestFullscreen();
    else media.webkitEnterFullscreen?.();
  });

  const track = media.textTracks[0];
  const cap = figure.querySelector('.cap');
  if (track) {
    const wanted = act('captions');
    track.mode = 'hidden';
    const show = () => {
      const isOn = wanted.getAttribute('aria-pressed') === 'true';
      const text = [...(track.activeCues ?? [])].map((cue) => cue.getCueAsHTML().textContent).join('\n');
      cap.hidden = !isOn || text === '';
      const span = document.createElement('span');
      span.textContent = text;
      cap.replaceChildren(span);
    };
    track.addEventListener('cuechange', show);
    wanted.addEventListener('click', () => {
      wanted.setAttribute('aria-pressed', String(wanted.getAttribute('aria-pressed') !== 'true'));
      show();
    });
  }

  let timer;
  function wake() {
    figure.classList.remove('rest');
    clearTimeout(timer);
    if (!media.paused && media.tagName === 'VIDEO') timer = setTimeout(() => figure.classList.add('rest'), 2500);
  }
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) figure.addEventListener(event, wake);
  figure.addEventListener('keydown', (event) => {
    if (event.target.tagName === 'INPUT' && event.key !== ' ') return;
    const keys = {
      ' ': toggle,
      k: toggle,
      m: () => quiet.click(),
      c: () => act('captions')?.click(),
      f: () => act('full')?.click(),
    };
    const run = keys[event.key];
    if (
      !run ||
      (event.key === ' ' && event.target.tagName === 'BUTTON') ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    run();
  });
  state();
  draw();
}

// ---------------------------------------------------------------- transcript

const box = document.querySelector('[data-lines]');
if (box && media) {
  for (const event of ['wheel', 'touchmove', 'pointerdown', 'keydown'])
    box.addEventListener(
      event,
      () => {
        handsOff = Date.now() + 6000;
      },
      { passive: true },
    );
  box.addEventListener('click', (event) => {
    const line = event.target.closest('.ln');
    if (!line || String(getSelection()) !== '') return;
    event.preventDefault();
    seek(Number(line.dataset.start));
  });
}

const find = document.querySelector('[data-find]');
if (find && box) {
  find.closest('label').hidden = false;
  const found = document.querySelector('[data-found]');
  let marks = [];
  let at = -1;

  const clear = () => {
    for (const mark of marks) {
      const parent = mark.parentNode;
      parent.replaceChild(document.createTextNode(mark.textContent), mark);
      parent.normalize();
    }
    marks = [];
    at = -1;
  };
  const stand = (index) => {
    if (marks.length === 0) return;
    marks[at]?.classList.remove('at');
    at = (index + marks.length) % marks.length;
    marks[at].classList.add('at');
    handsOff = Date.now() + 6000;
    const top = marks[at].getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
    box.scrollTo({ top: top - box.clientHeight / 3 });
    found.textContent = `${at + 1} of ${marks.length}`;
  };
  const search = () => {
    clear();
    const wanted = find.value.trim().toLowerCase();
    found.textContent = '';
    if (wanted === '') return say('');
    for (const { element } of lines) {
      let node = element.querySelector('span').firstChild;
      for (let place = node?.data.toLowerCase().indexOf(wanted) ?? -1; place >= 0; ) {
        const hit = node.splitText(place);
        node = hit.splitText(Math.min(wanted.length, hit.data.length));
        const mark = document.createElement('mark');
        hit.replaceWith(mark);
        mark.append(hit);
        marks.push(mark);
        place = node.data.toLowerCase().indexOf(wanted);
      }
    }
    if (marks.length === 0) found.textContent = 'Not found';
    else stand(0);
    say(marks.length === 0 ? 'Not found' : `${marks.length} found`);
  };
  find.addEventListener('input', search);
  find.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      stand(at + (event.shiftKey ? -1 : 1));
    } else if (event.key === 'Escape') {
      find.value = '';
      search();
    }
  });
}

// ---------------------------------------------------------------- clips, share, follow

const dialog = document.querySelector('dialog.clip');
if (dialog?.showModal) {
  for (const link of document.querySelectorAll('[data-clip]'))
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      media?.pause();
      dialog.querySelector('h2').textContent = link.dataset.clip;
      const video = document.createElement('video');
      Object.assign(video, { src: link.href, controls: true, autoplay: true, playsInline: true });
      if (link.dataset.captions) {
        const track = document.createElement('track');
        Object.assign(track, { kind: 'captions', label: 'Captions', src: link.dataset.captions });
        track.srclang = document.documentElement.lang;
        video.append(track);
      }
      dialog.querySelector('video')?.remove();
      dialog.append(video);
      dialog.showModal();
    });
  dialog.addEventListener('close', () => dialog.querySelector('video')?.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
}

const copy = (text, done) =>
  navigator.clipboard?.writeText(text).then(
    () => done('Copied'),
    () => done('Not copied'),
  );
const tell = (button, text) => {
  const label = [...button.childNodes].findLast((node) => node.nodeType === 3);
  const before = label.data;
  label.data = text;
  say(text);
  setTimeout(() => {
    label.data = before;
  }, 2000);
};
for (const button of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', () => copy(button.dataset.copy, (text) => tell(button, text)));
}
const share = document.querySelector('[data-share]');
if (share && (navigator.share || navigator.clipboard)) {
  share.hidden = false;
  share.addEventListener('click', () => {
    const url = document.querySelector('link[rel="canonical"]')?.href ?? location.href;
    if (navigator.share) navigator.share({ title: document.title, url }).catch(() => {});
    else copy(url, (text) => tell(share, text === 'Copied' ? 'Link copied' : text));
  });
}
const follows = document.querySelector('.follow');
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && follows?.open) {
    follows.open = false;
    follows.querySelector('summary').focus();
  }
});
addEventListener('click', (event) => {
  if (follows?.open && !follows.contains(event.target)) follows.open = false;
});
