/** A stage that takes as long as its events say: so many hashes each. */
import { createHash } from 'node:crypto'

interface Work {
  readonly id: number
  readonly turns: number
}

export function burn(text: string, turns: number): string {
  let digest = text
  for (let turn = 0; turn < turns; turn++) digest = createHash('sha256').update(digest).digest('hex')
  return digest
}

export default ({ id, turns }: Work): { readonly id: number; readonly digest: string } => ({ id, digest: burn(String(id), turns) })
