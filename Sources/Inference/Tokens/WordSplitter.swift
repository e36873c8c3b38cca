// SPDX-License-Identifier: Apache-2.0

/// How byte-level vocabularies split text into words before any merge.
///
/// - Source: the regular expressions in the published `tokenizer.json` files, matched here by hand: each splitter is a
///   list of passes, and each pass cuts every piece of the one before into matches and what lies between them.
struct WordSplitter: Sendable {
  private let passes: [ScalarPattern]
  /// A word that is a token needs no merging (Llama 3).
  let takesWholeWords: Bool

  /// By the name that a GGUF file gives it; nil for an unknown one.
  init?(_ name: String) {
    takesWholeWords = ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"].contains(name)
    switch name {
    case "llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "smaug-bpe", "dbrx":
      passes = [.llama3(digits: 3)]
    case "qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan": passes = [.llama3(digits: 1)]
    case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "gigachat", "default-gpt2": passes = [.gpt2]
    case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b":
      passes = [.runs(of: .number, most: 1), .gpt2]
    case "falcon": passes = [.runs(of: .falconPunctuation), .gpt2, .threeDigits]
    case "deepseek-llm":
      passes = [
        .runs(of: .lineEnd, most: 1), .spaced(.casedLetter), .spaced(.deepSeekPunctuation), .trailingSpace,
        .runs(of: .eastAsian), .runs(of: .number),
      ]
    case "deepseek-coder":
      passes = [
        .runs(of: .lineEnd, most: 1), .spaced(.letter), .spaced(.punctuation), .runs(of: .eastAsian),
        .runs(of: .number, most: 1),
      ]
    case "default": passes = [.runs(of: .falconPunctuation), .gpt2, .runs(of: .number), .threeDigits]
    default: return nil
    }
  }

  /// The UTF-8 bytes of each word, in order; together they are the text.
  func words(of text: Substring) -> [[UInt8]] {
    let scalars = Array(text.unicodeScalars)
    var pieces = [0..<scalars.count]
    for pass in passes { pieces = pieces.flatMap { Self.cut($0, scalars, by: pass) } }
    return pieces.map { piece in
      var bytes: [UInt8] = []
      for scalar in scalars[piece] { bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter) }
      return bytes
    }
  }

  private static func cut(_ piece: Range<Int>, _ scalars: [Unicode.Scalar], by pattern: ScalarPattern) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var gap = piece.lowerBound
    var position = piece.lowerBound
    while position < piece.upperBound {
      guard let end = pattern.match(scalars, position, piece.upperBound), end > position else {
        position = pattern.afterFailure(scalars, position, piece.upperBound)
        continue
      }
      if gap < position { result.append(gap..<position) }
      result.append(position..<end)
      position = end
      gap = end
    }
    if gap < piece.upperBound { result.append(gap..<piece.upperBound) }
    return result
  }
}
