/** J2 as a user writes it in TypeScript: keep warm sensors, with the temperature in Fahrenheit. */
interface Reading {
  readonly id: string
  readonly type: string
  readonly temperature?: number
  readonly loc: { readonly site: string }
}
interface Warm {
  readonly id: string
  readonly site: string
  readonly temperature: number
  readonly temp_f: number
}

export default function warm({ id, type, temperature, loc }: Reading): Warm | undefined {
  if (type !== 'sensor' || temperature === undefined || temperature <= 25) return undefined
  return { id, site: loc.site, temperature, temp_f: temperature * 1.8 + 32 }
}
