/** Chance: the real one, and one that repeats itself. */

export const systemRandom = (): number => Math.random()

/** Numbers of at least 0 and below 1 that depend on the seed alone. Generator: sfc32 (Chris Doty-Humphrey, PractRand). */
export function seededRandom(seed: number, stream = 0): () => number {
  let a = seed | 0
  let b = stream | 0
  let c = 0x9e3779b9 | 0
  let d = 1
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + t) | 0
    return (t >>> 0) / 4_294_967_296
  }
  for (let warm = 0; warm < 12; warm++) next()
  return next
}
