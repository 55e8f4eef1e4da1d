/**
 * The part of the AssemblyScript compiler that is used here. Its own declarations make AssemblyScript's globals (`console`, `i32`) global for the whole
 * repository, so `tsconfig.json` points its name at this file.
 */
interface CompilerOptions {
  writeFile?(name: string, contents: Uint8Array | string, folder: string): void
  readFile?(name: string, folder: string): string | null | Promise<string | null>
}
interface CompilerResult {
  readonly error: Error | null
  readonly stdout: { toString(): string }
  readonly stderr: { toString(): string }
}
declare const asc: { main(args: readonly string[], options?: CompilerOptions): Promise<CompilerResult> }
export default asc
