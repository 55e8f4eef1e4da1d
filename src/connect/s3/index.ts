/** Object stores that speak the protocol of Amazon S3. */
export { parquetRows } from './parquet-codec.ts'
export { s3 as s3Sink } from './sink.ts'
export { s3Source } from './source.ts'
