/** Object stores that speak the protocol of Amazon S3. */
export { s3 as s3Sink } from './sink.ts'
