/** Names of languages, by the code that domains of text use. */
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

/** The name of a domain; an unknown domain keeps its own. Not escaped. */
export function domainName(domain: string): string {
  return Object.hasOwn(languages, domain)
    ? languages[domain]!
    : domain === "math"
      ? "mathematics"
      : domain;
}

export function isLanguage(domain: string): boolean {
  return Object.hasOwn(languages, domain);
}

/** Order in which domains are shown: languages first, then the others, each by name. */
export function domainOrder(domains: readonly string[]): readonly number[] {
  const key = (domain: string) =>
    `${Object.hasOwn(languages, domain) ? 0 : 1}${domainName(domain)}`;
  return domains.map((_, at) => at).sort((a, b) => (key(domains[a]!) < key(domains[b]!) ? -1 : 1));
}
