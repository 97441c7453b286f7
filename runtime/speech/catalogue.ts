/**
 * The models that the local engine can use: who publishes them, under which licence, how large they are, and the
 * SHA-256 of every file. They are fetched once, from their publisher, and checked before they are used; a folder that a
 * person names may hold the same files.
 *
 * Addresses are pinned to a revision. Digests were taken from published catalogues that agree with each other (2026-11);
 * the weights themselves could not be fetched where this was written, so loading them was never run: see docs.
 */
export type ModelFile = {
  name: string;
  url: string;
  bytes: number;
  sha256: string;
};

export type Model = {
  id: string;
  task: 'transcribe' | 'diarize';
  label: string;
  /** `en`, or `many` */
  languages: string;
  publisher: string;
  licence: string;
  source: string;
  /** What sherpa-onnx has to be told; file names stand for the paths. */
  kind: 'whisper' | 'moonshine' | 'parakeet' | 'pyannote';
  files: ModelFile[];
};

const HUGGING = 'https://huggingface.co/csukuangfj';
const file = (base: string, name: string, bytes: number, sha256: string): ModelFile => ({
  name,
  url: `${base}/${name}`,
  bytes,
  sha256,
});

const WHISPER_BASE = `${HUGGING}/sherpa-onnx-whisper-base/resolve/bb53ee204431c90d314c1cc08d28d23e5b7927cc`;
const WHISPER_BASE_EN = `${HUGGING}/sherpa-onnx-whisper-base.en/resolve/59eea950fc76df2453efb57e6c0fd334548e8ffe`;
const MOONSHINE = `${HUGGING}/sherpa-onnx-moonshine-base-en-int8/resolve/052b0798ad1bf046a140fdd4efcd9426530fa3f5`;
const PARAKEET_2 = `${HUGGING}/sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8/resolve/1ab9323565ddb038682214b292f588070a538ce2`;
const PARAKEET_3 = `${HUGGING}/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8/resolve/2bda32ec70b097a55adaa07d9a7173915b43cc78`;
const PYANNOTE = `${HUGGING}/sherpa-onnx-pyannote-segmentation-3-0/resolve/main`;
// the spelling is the publisher's
const VOICES = 'https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models';

/** Best first within a task. */
export const MODELS: readonly Model[] = [
  {
    id: 'parakeet-v3',
    task: 'transcribe',
    label: 'Parakeet TDT 0.6B v3 (25 European languages)',
    languages: 'many',
    publisher: 'NVIDIA, converted by k2-fsa',
    licence: 'CC-BY-4.0',
    source: 'https://huggingface.co/nvidia/parakeet-tdt-0.6b-v3',
    kind: 'parakeet',
    files: [
      file(
        PARAKEET_3,
        'encoder.int8.onnx',
        652_184_281,
        'acfc2b4456377e15d04f0243af540b7fe7c992f8d898d751cf134c3a55fd2247',
      ),
      file(
        PARAKEET_3,
        'decoder.int8.onnx',
        11_845_275,
        '179e50c43d1a9de79c8a24149a2f9bac6eb5981823f2a2ed88d655b24248db4e',
      ),
      file(
        PARAKEET_3,
        'joiner.int8.onnx',
        6_355_277,
        '3164c13fc2821009440d20fcb5fdc78bff28b4db2f8d0f0b329101719c0948b3',
      ),
      file(PARAKEET_3, 'tokens.txt', 93_939, 'd58544679ea4bc6ac563d1f545eb7d474bd6cfa467f0a6e2c1dc1c7d37e3c35d'),
    ],
  },
  {
    id: 'parakeet-v2',
    task: 'transcribe',
    label: 'Parakeet TDT 0.6B v2 (English)',
    languages: 'en',
    publisher: 'NVIDIA, converted by k2-fsa',
    licence: 'CC-BY-4.0',
    source: 'https://huggingface.co/nvidia/parakeet-tdt-0.6b-v2',
    kind: 'parakeet',
    files: [
      file(
        PARAKEET_2,
        'encoder.int8.onnx',
        652_184_296,
        'a32b12d17bbbc309d0686fbbcc2987b5e9b8333a7da83fa6b089f0a2acd651ab',
      ),
      file(
        PARAKEET_2,
        'decoder.int8.onnx',
        7_257_753,
        'b6bb64963457237b900e496ee9994b59294526439fbcc1fecf705b31a15c6b4e',
      ),
      file(
        PARAKEET_2,
        'joiner.int8.onnx',
        1_739_080,
        '7946164367946e7f9f29a122407c3252b680dbae9a51343eb2488d057c3c43d2',
      ),
      file(PARAKEET_2, 'tokens.txt', 9_384, 'ec182b70dd42113aff6c5372c75cac58c952443eb22322f57bbd7f53977d497d'),
    ],
  },
  {
    id: 'moonshine-base',
    task: 'transcribe',
    label: 'Moonshine Base (English)',
    languages: 'en',
    publisher: 'Useful Sensors, converted by k2-fsa',
    licence: 'MIT',
    source: 'https://huggingface.co/UsefulSensors/moonshine-base',
    kind: 'moonshine',
    files: [
      file(
        MOONSHINE,
        'preprocess.onnx',
        14_077_290,
        'ffa630d395c5ccf76f5d4954be5b882df76aaf6491519ec01fd82ea7a3819fb2',
      ),
      file(
        MOONSHINE,
        'encode.int8.onnx',
        50_311_494,
        '7e38770f776f2e5583a53b052936005df2ba5c833d7e09c2a5fd796b94bf73e2',
      ),
      file(
        MOONSHINE,
        'uncached_decode.int8.onnx',
        122_120_451,
        'c01f4b35093bcac20d352d23a75a539e772964579f9d024a90e5e6f09cae9987',
      ),
      file(
        MOONSHINE,
        'cached_decode.int8.onnx',
        99_983_837,
        '2db74e51cedf64a8b1be3c8192e0bb5e4923af0e90bd9e87f8e8771873f8ea03',
      ),
      file(MOONSHINE, 'tokens.txt', 436_688, '1165c2aeb9f72f457a83be2d459a09054f27490acd9b41bd43794dfd25e296ea'),
    ],
  },
  {
    id: 'whisper-base',
    task: 'transcribe',
    label: 'Whisper Base (99 languages)',
    languages: 'many',
    publisher: 'OpenAI, converted by k2-fsa',
    licence: 'MIT',
    source: 'https://github.com/openai/whisper',
    kind: 'whisper',
    files: [
      file(
        WHISPER_BASE,
        'base-encoder.int8.onnx',
        29_120_534,
        '0b8fb1304b6109976038efff5ace81720e00386f3ff6b54ee8c75291ca0a1e11',
      ),
      file(
        WHISPER_BASE,
        'base-decoder.int8.onnx',
        130_672_026,
        '9759d217388a01b3a4c7c15533201067b48ae819c4daafc8624e64b9409dc02d',
      ),
      file(
        WHISPER_BASE,
        'base-tokens.txt',
        816_730,
        'b34b360dbb493e781e479794586d661700670d65564001f23024971d1f2fa126',
      ),
    ],
  },
  {
    id: 'whisper-base-en',
    task: 'transcribe',
    label: 'Whisper Base (English)',
    languages: 'en',
    publisher: 'OpenAI, converted by k2-fsa',
    licence: 'MIT',
    source: 'https://github.com/openai/whisper',
    kind: 'whisper',
    files: [
      file(
        WHISPER_BASE_EN,
        'base.en-encoder.int8.onnx',
        29_120_534,
        'ef6b936f4c9b1d90a3b68634b60c4ed8576b26172b33c2535ec0e933c9edb823',
      ),
      file(
        WHISPER_BASE_EN,
        'base.en-decoder.int8.onnx',
        130_669_978,
        'f7162ad6db2dbef16cfaeaa7f945b9d7dd9c1b8d472f6aca82f2273d185e4d41',
      ),
      file(
        WHISPER_BASE_EN,
        'base.en-tokens.txt',
        835_554,
        '306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930',
      ),
    ],
  },
  {
    id: 'pyannote-campplus',
    task: 'diarize',
    label: 'pyannote segmentation 3.0 with WeSpeaker CAM++',
    languages: 'many',
    publisher: 'pyannote (CNRS) and WeSpeaker, converted by k2-fsa',
    licence: 'MIT and Apache-2.0',
    source: 'https://huggingface.co/pyannote/segmentation-3.0',
    kind: 'pyannote',
    files: [
      {
        name: 'segmentation.onnx',
        url: `${PYANNOTE}/model.onnx`,
        bytes: 5_992_913,
        sha256: '220ad67ca923bef2fa91f2390c786097bf305bceb5e261d4af67b38e938e1079',
      },
      {
        name: 'embedding.onnx',
        url: `${VOICES}/wespeaker_en_voxceleb_CAM++.onnx`,
        bytes: 29_292_684,
        sha256: 'c46fad10b5f81e1aa4a60c162714208577093655076c5450f8c469e522ec54ef',
      },
    ],
  },
];

export const modelById = (id: string) => MODELS.find((model) => model.id === id);
export const modelBytes = (model: Model) => model.files.reduce((sum, one) => sum + one.bytes, 0);
