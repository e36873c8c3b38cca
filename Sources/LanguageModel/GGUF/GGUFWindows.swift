// SPDX-License-Identifier: Apache-2.0

/// Which layers of a GGUF file's model attend to a sliding window.
///
/// A file may state a window that its architecture's code in llama.cpp does not apply (Phi-3, Mistral): only
/// architectures with a known pattern, and files that carry one, have windows.
/// - Source: the periods that llama.cpp sets for each architecture (`set_swa_pattern`): layer i has a window when
///   i mod n < n − 1.
struct GGUFWindows {
  private let windows: [Int?]

  subscript(index: Int) -> Int? { windows[index] }

  private static let periods: [String: Int] = [
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gemma4": 6, "cohere2": 4, "llama4": 4, "gpt-oss": 2, "olmo2": 4,
    "exaone4": 4, "exaone-moe": 4, "smallthinker": 4, "afmoe": 4, "plamo3": 8,
  ]

  init(_ metadata: MetadataReader, layerCount: Int) throws(ConfigurationError) {
    let limit = 0...ConfigurationReader.Limit.context
    let stated = try metadata.integer("attention.sliding_window", in: limit)
    // Llama 4's chunks of 8,192 tokens are fixed in its code.
    let width = stated ?? (metadata.architecture == "llama4" ? 8192 : nil)
    guard let width, width > 0 else {
      windows = [Int?](repeating: nil, count: layerCount)
      return
    }
    let key = "\(metadata.architecture).attention.sliding_window_pattern"
    if let marks = metadata.lookup.integers(key), !marks.isEmpty {
      windows = (0..<layerCount).map { marks[$0 % marks.count] != 0 ? width : nil }
      return
    }
    let range = 0...ConfigurationReader.Limit.layers
    let own = try metadata.integer("attention.sliding_window_pattern", in: range)
    guard let period = own ?? Self.periods[metadata.architecture] else {
      windows = [Int?](repeating: nil, count: layerCount)
      return
    }
    windows = (0..<layerCount).map { period == 0 || $0 % period < period - 1 ? width : nil }
  }
}
