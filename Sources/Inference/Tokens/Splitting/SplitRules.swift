// SPDX-License-Identifier: Apache-2.0

/// The expressions by which known tokenizers split text.
///
/// - Source: the `pre_tokenizer` entries of the published `tokenizer.json` files (and of tiktoken, OpenAI); the names are
///   those that GGUF files give in `tokenizer.ggml.pre`.
enum SplitRules {
  /// The expressions of a name, each a pass; nil for an unknown one.
  static func expressions(_ name: String) -> [String]? {
    switch name {
    case "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "smaug-bpe", "dbrx",
      "glm4", "chatglm-bpe", "jais-2":
      [cl100k(number: #"\p{N}{1,3}"#)]
    case "qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "grok-2", "solar-open", "kormo":
      [cl100k(number: #"\p{N}"#)]
    case "qwen35": [qwen35]
    case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "gigachat", "roberta-bpe", "granite-docling", "mellum",
      "modern-bert", "exaone4", "a.x-4.0", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "default-gpt2":
      [gpt2]
    case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2":
      [#"\p{N}"#, gpt2]
    case "falcon": [falconPunctuation, gpt2, "[0-9][0-9][0-9]"]
    case "gpt-4o", "llama4", "minimax-m2", "kanana2": [o200k(number: #"\p{N}{1,3}"#, hasContractions: true)]
    case "tekken": [o200k(number: #"\p{N}"#, hasContractions: false)]
    case "tiny_aya": [#"\d{1,3}(?=(?:\d{3})*\b)"#, o200k(number: #"\p{N}{1,3}"#, hasContractions: true)]
    case "deepseek-llm":
      ["[\r\n]", #"\s?["# + deepSeekLetters + "]+", #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, #"\s+$"#, eastAsian, #"\p{N}+"#]
    case "deepseek-coder": ["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, eastAsian, #"\p{N}"#]
    case "deepseek-v3", "hunyuan-dense", "joyai-llm": [#"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+", deepSeek3]
    case "kimi-k2": [kimi]
    case "poro-chat", "bloom", "gpt3-finnish": [bloom]
    case "viking": [bloom, #"\p{N}"#]
    case "superbpe": [#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#]
    case "bailingmoe", "bailingmoe2", "llada-moe": [bailing]
    case "seed-coder": [seedCoder]
    case "chameleon":
      [
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\t\n]|    |  )", #"\p{N}"#,
        #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
      ]
    case "default": [falconPunctuation, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"]
    default: nil
    }
  }

  /// For each set of rules the name under which it is best known.
  static let publishedNames = [
    "llama-bpe", "qwen2", "gpt-2", "dbrx", "qwen35", "starcoder", "falcon", "gpt-4o", "tekken", "deepseek-llm",
    "deepseek-coder", "deepseek-v3", "default",
  ]

  /// A word that is a token as a whole needs no merging.
  static func takesWholeWords(_ name: String) -> Bool {
    ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"].contains(name)
  }

  /// Vocabularies that begin with a token where the file does not say.
  static func usuallyBegins(_ name: String) -> Bool { takesWholeWords(name) }

  static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let space = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let falconPunctuation = #"[\p{P}\$\+<=>\^~\|`]+"#
  private static let eastAsian = "[一-龥ࠀ-一가-퟿]+"
  private static let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#

  private static func cl100k(number: String) -> String {
    contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + number + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + space
  }

  private static func o200k(number: String, hasContractions: Bool) -> String {
    let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    let (before, after) = (#"[^\r\n\p{L}\p{N}]?"#, hasContractions ? contraction + "?" : "")
    return before + upper + "*" + lower + "+" + after + "|" + before + upper + "+" + lower + "*" + after + "|" + number
      + #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + space
  }

  private static let qwen35 =
    contraction + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + space
  private static let deepSeek3 =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"##
    + space
  private static let bailing =
    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
  private static let seedCoder =
    contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + space
  private static let kimi =
    #"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"#
    + contraction
    + #"?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"#
    + contraction + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + space
  /// Letters with a case, as DeepSeek's list of ranges has them.
  private static let deepSeekLetters =
    #"A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}"#
    + #"ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"#
}
