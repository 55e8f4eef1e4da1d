/** Errors of expressions: where in the source, and what may have been meant. */
import { SluiceError } from '../base/index.ts'
import type { ErrorCode } from '../base/index.ts'

export class ExprError extends SluiceError {
  /** Place in the expression's source, in UTF-16 code units. */
  readonly offset: number
  readonly length: number
  readonly suggestion: string | undefined

  constructor(code: ErrorCode, message: string, offset: number, length = 1, suggestion?: string) {
    super(code, message)
    this.name = 'ExprError'
    this.offset = offset
    this.length = Math.max(1, length)
    this.suggestion = suggestion
  }
}
