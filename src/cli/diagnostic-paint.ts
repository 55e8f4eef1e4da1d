/** Colours of the problems that the pipeline room renders. */
import type { DiagnosticPaint } from '../pipeline/index.ts'
import { paint } from './paint.ts'

export function diagnosticPaint(colors: boolean): DiagnosticPaint {
  const { bold, dim, red, yellow } = paint(colors)
  const styles: Readonly<Record<Parameters<DiagnosticPaint>[0], (text: string) => string>> = { place: bold, error: red, warning: yellow, frame: dim, mark: red }
  return (part, text) => styles[part](text)
}
