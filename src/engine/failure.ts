/** Errors on their way between threads. */
import { ERRORS, SluiceError } from '../base/index.ts'
import type { ErrorCode } from '../base/index.ts'
import type { FailureRecord } from './messages.ts'

/** The code, if the registry knows it. */
export function codeFrom(code: string): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL' // An own key of ERRORS is an ErrorCode.
}

export function failureRecord(error: unknown): FailureRecord {
  if (error instanceof SluiceError) return { code: error.code, message: error.message, place: error.place, stack: error.stack }
  if (error instanceof Error) return { code: 'INTERNAL', message: error.message, place: undefined, stack: error.stack }
  return { code: 'INTERNAL', message: String(error), place: undefined, stack: undefined }
}

export function failureError(record: FailureRecord): SluiceError {
  const error = new SluiceError(codeFrom(record.code), record.message, record.place === undefined ? {} : { place: record.place })
  if (record.stack !== undefined) error.stack = record.stack
  return error
}
