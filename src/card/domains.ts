/** Languages by their code, as domains of text are called. */
const languages: Readonly<Record<string, string>> = {
  ar: "Arabic",
  de: "German",
  en: "English",
  es: "Spanish",
  fr: "French",
  hi: "Hindi",
  it: "Italian",
  ja: "Japanese",
  ko: "Korean",
  nl: "Dutch",
  pl: "Polish",
  pt: "Portuguese",
  ru: "Russian",
  tr: "Turkish",
  zh: "Chinese",
};

/** A domain in plain words; one that is not known keeps its name. Not escaped. */
export function domainName(domain: string): string {
  return Object.hasOwn(languages, domain)
    ? languages[domain]!
    : domain === "math"
      ? "mathematics"
      : domain;
}

/** Indices of domains as they are shown: languages first, each part by name. */
export function domainOrder(domains: readonly string[]): readonly number[] {
  const key = (domain: string) =>
    `${Object.hasOwn(languages, domain) ? 0 : 1}${domainName(domain)}`;
  return domains.map((_, at) => at).sort((a, b) => (key(domains[a]!) < key(domains[b]!) ? -1 : 1));
}
