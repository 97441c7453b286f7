/** How languages write numbers and name days and months, from our own tables: the same in every browser. */

export const NUMBER_MARKS: Readonly<Record<string, { decimal: string; group: string }>> = {
  en: { decimal: '.', group: ',' },
  de: { decimal: ',', group: '.' },
  fr: { decimal: ',', group: '\u202f' },
  es: { decimal: ',', group: '.' },
  it: { decimal: ',', group: '.' },
  pt: { decimal: ',', group: '.' },
  nl: { decimal: ',', group: '.' },
};

type Names = { months: string[]; shortMonths: string[]; days: string[]; shortDays: string[] };
const named = (months: string, shortMonths: string, days: string, shortDays: string): Names => ({
  months: months.split(' '),
  shortMonths: shortMonths.split(' '),
  days: days.split(' '),
  shortDays: shortDays.split(' '),
});

/** Days from Sunday, as within a date. */
export const DATE_NAMES: Readonly<Record<string, Names>> = {
  en: named(
    'January February March April May June July August September October November December',
    'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec',
    'Sunday Monday Tuesday Wednesday Thursday Friday Saturday',
    'Sun Mon Tue Wed Thu Fri Sat',
  ),
  de: named(
    'Januar Februar März April Mai Juni Juli August September Oktober November Dezember',
    'Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.',
    'Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag',
    'So Mo Di Mi Do Fr Sa',
  ),
  fr: named(
    'janvier février mars avril mai juin juillet août septembre octobre novembre décembre',
    'janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.',
    'dimanche lundi mardi mercredi jeudi vendredi samedi',
    'dim. lun. mar. mer. jeu. ven. sam.',
  ),
  es: named(
    'enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre',
    'ene feb mar abr may jun jul ago sept oct nov dic',
    'domingo lunes martes miércoles jueves viernes sábado',
    'dom lun mar mié jue vie sáb',
  ),
  it: named(
    'gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre',
    'gen feb mar apr mag giu lug ago set ott nov dic',
    'domenica lunedì martedì mercoledì giovedì venerdì sabato',
    'dom lun mar mer gio ven sab',
  ),
  pt: named(
    'janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro',
    'jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.',
    'domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado',
    'dom. seg. ter. qua. qui. sex. sáb.',
  ),
  nl: named(
    'januari februari maart april mei juni juli augustus september oktober november december',
    'jan feb mrt apr mei jun jul aug sep okt nov dec',
    'zondag maandag dinsdag woensdag donderdag vrijdag zaterdag',
    'zo ma di wo do vr za',
  ),
};
