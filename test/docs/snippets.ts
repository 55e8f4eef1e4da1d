/** Code blocks of a Markdown page, in order, and what the page's author says about them behind the language. */
export interface Snippet {
  readonly language: string
  /** `file=late.yaml`: write it there. */
  readonly file: string | undefined
  /** `expect=late.ndjson`: that file must hold this now. */
  readonly expect: string | undefined
  /** `run`: run this pipeline, beyond checking it. */
  readonly run: boolean
  readonly text: string
  readonly line: number
}

/** Fenced blocks, and files that a page needs but does not show: an HTML comment that begins with `file NAME`. */
export function snippetsOf(markdown: string): Snippet[] {
  const pattern = /^```([a-z]+)([^\n]*)\n([\s\S]*?)^```$|^<!-- file (\S+)\n([\s\S]*?)^-->$/gm
  return [...markdown.matchAll(pattern)].map(match => {
    const words = (match[2] ?? '').trim().split(/\s+/)
    const valueOf = (name: string): string | undefined => words.find(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
    return {
      language: match[1] ?? 'file',
      file: match[4] ?? valueOf('file'),
      expect: valueOf('expect'),
      run: words.includes('run'),
      text: match[3] ?? match[5] ?? '',
      line: markdown.slice(0, match.index).split('\n').length,
    }
  })
}
