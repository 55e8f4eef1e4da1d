/**
 * CRC-32C (Castagnoli), the checksum of record batches. Not the CRC-32 of gzip, which `node:zlib` has: the polynomial is another.
 *
 * Long pieces are copied to a WebAssembly kernel (crc32c.as.ts), which takes 13 GB a second with the copy where plain JavaScript takes 2 (bench/batch). Short
 * ones are done here, slicing by 16: sixteen tables of 256 entries let one step take sixteen bytes, whose lookups do not wait for each other.
 */
import { CRC32C } from './crc32c-binary.ts'

const POLYNOMIAL = 0x82f6_3b78
const SLICES = 16

/** One after the other: entry `slice * 256 + byte` is the checksum of the byte followed by `slice` zeros. */
const TABLES = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(256 * SLICES)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0)
  }
  return tables
}

/** From this length on the copy and the call are worth it. */
const KERNEL_FROM = 512

/** What the kernel exports. Addresses are numbers. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer }
  input(): number
  inputBytes(): number
  makeTables(): void
  crc(length: number, register: number): number
}

/** One per thread, made at its first use: 192 KiB. Undefined where the runtime has no WebAssembly. */
let kernel: { readonly crc: Kernel['crc']; readonly input: Uint8Array } | undefined
let isKernelTried = false

function loadKernel(): typeof kernel {
  isKernelTried = true
  if (typeof WebAssembly === 'undefined') return undefined
  const binary = Buffer.from(CRC32C, 'base64')
  if (!WebAssembly.validate(binary)) return undefined
  const exports = new WebAssembly.Instance(new WebAssembly.Module(binary), {}).exports as unknown as Kernel // The kernel's source declares them so.
  exports.makeTables()
  kernel = { crc: exports.crc, input: new Uint8Array(exports.memory.buffer, exports.input(), exports.inputBytes()) }
  return kernel
}

/** The checksum of `bytes[from, to)`; `before` is that of what precedes them. */
export function crc32c(bytes: Uint8Array, from = 0, to: number = bytes.length, before = 0): number {
  const fast = to - from < KERNEL_FROM ? undefined : isKernelTried ? kernel : loadKernel()
  if (fast === undefined) return portableCrc32c(bytes, from, to, before)
  const { crc, input } = fast
  let register = ~before
  for (let at = from; at < to; at += input.length) {
    const end = Math.min(at + input.length, to)
    input.set(bytes.subarray(at, end))
    register = crc(end - at, register)
  }
  return ~register >>> 0
}

/** The same in plain JavaScript. */
export function portableCrc32c(bytes: Uint8Array, from: number, to: number, before: number): number {
  let crc = ~before
  let at = from
  // `?? 0` is for the compiler: within its bounds a typed array has no holes, and the engine leaves the check out.
  for (; at + 16 <= to; at += 16) {
    crc ^= (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
    crc =
      (TABLES[3840 + (crc & 0xff)] ?? 0) ^
      (TABLES[3584 + ((crc >>> 8) & 0xff)] ?? 0) ^
      (TABLES[3328 + ((crc >>> 16) & 0xff)] ?? 0) ^
      (TABLES[3072 + (crc >>> 24)] ?? 0) ^
      (TABLES[2816 + (bytes[at + 4] ?? 0)] ?? 0) ^
      (TABLES[2560 + (bytes[at + 5] ?? 0)] ?? 0) ^
      (TABLES[2304 + (bytes[at + 6] ?? 0)] ?? 0) ^
      (TABLES[2048 + (bytes[at + 7] ?? 0)] ?? 0) ^
      (TABLES[1792 + (bytes[at + 8] ?? 0)] ?? 0) ^
      (TABLES[1536 + (bytes[at + 9] ?? 0)] ?? 0) ^
      (TABLES[1280 + (bytes[at + 10] ?? 0)] ?? 0) ^
      (TABLES[1024 + (bytes[at + 11] ?? 0)] ?? 0) ^
      (TABLES[768 + (bytes[at + 12] ?? 0)] ?? 0) ^
      (TABLES[512 + (bytes[at + 13] ?? 0)] ?? 0) ^
      (TABLES[256 + (bytes[at + 14] ?? 0)] ?? 0) ^
      (TABLES[(bytes[at + 15] ?? 0)] ?? 0)
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (TABLES[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  return ~crc >>> 0
}

/**
 * The checksum of two pieces put together, from their own and the length of the second: what follows a changed header need not be read again.
 * The first one is moved over so many zeros by powers of the step over one zero bit, and the second is laid over it. The work grows with the digits of the length only.
 */
export function crc32cCombine(first: number, second: number, secondLength: number): number {
  return (multiply(zeros(secondLength), first) ^ second) >>> 0
}

/** Product of two polynomials modulo that of the checksum. Bit 31 is the coefficient of x^0. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 32; bit++) {
    product ^= b & -((a >>> (31 - bit)) & 1)
    b = (b >>> 1) ^ (POLYNOMIAL & -(b & 1))
  }
  return product
}

/** x^(2^n): enough for the bits of any array. */
const POWERS = makePowers()

function makePowers(): Int32Array {
  const powers = new Int32Array(56)
  powers[0] = 0x4000_0000
  for (let n = 1; n < powers.length; n++) powers[n] = multiply(powers[n - 1] ?? 0, powers[n - 1] ?? 0)
  return powers
}

/** x^(8 * length): what so many zero bytes multiply a checksum by. */
function zeros(length: number): number {
  let product = 0x8000_0000
  for (let n = 3, rest = length; rest > 0; n++, rest = Math.floor(rest / 2)) if (rest % 2 === 1) product = multiply(POWERS[n] ?? 0, product)
  return product
}
