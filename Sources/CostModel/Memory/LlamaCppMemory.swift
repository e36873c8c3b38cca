// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What llama.cpp allocates for a model, by its own rules.
///
/// - Source: llama.cpp's allocation logs with flash attention at 4096 cells: TinyLlama (V 32,000, d 2048) 70.50 MiB and
///   Qwen3-30B-A3B 304.75 MiB, both met to 0.01 MiB; without it, where logits outweigh attention, within 1 %.
package struct LlamaCppMemory: Sendable {
  /// A cache is padded to this many cells.
  static let cellPadding = 256
  /// Sizes from its load logs: the process, its scheduler and the maps of a vocabulary (about 120 bytes per token).
  static let processBytes = ByteCount.megabytes(9)
  static let vocabularyBytesPerToken = 120
  /// Context and libraries of a CUDA device, 250 to 600 MiB by driver.
  static let deviceContext = ByteCount.mebibytes(400)

  package let items: [MemoryFootprint.Item]

  package init(
    architecture: ModelArchitecture, weights: ByteCount, workload: Workload, isOnDevice: Bool
  ) {
    items =
      [
        .init(
          .weights, "weights", .exact(weights, .modelled),
          formula: "tensors of the GGUF file, each a multiple of 32 bytes")
      ]
      + Self.caches(architecture, workload) + Self.buffers(architecture, workload)
      + Self.overhead(architecture, isOnDevice: isOnDevice)
  }

  static func cells(_ tokens: Int) -> Int { (tokens + cellPadding - 1) / cellPadding * cellPadding }

  /// Windowed layers keep the window of every sequence and a micro-batch.
  static func caches(_ architecture: ModelArchitecture, _ workload: Workload) -> [MemoryFootprint.Item] {
    let sequences = max(1, workload.sequences)
    let context = cells(workload.contextTokens * sequences)
    var elements = 0
    for mixer in architecture.layers.lazy.flatMap(\.mixers) {
      guard let cache = mixer.cache else { continue }
      let windowed = cache.window.map { cells($0 * sequences + workload.microBatch) } ?? context
      elements += min(context, windowed) / max(1, cache.stride) * (cache.keyElements + cache.valueElements)
    }
    let cacheBytes = workload.keyValueFormat.bytes(elements: elements)
    var items: [MemoryFootprint.Item] = [
      .init(
        .keyValueCache, "KV cache", .exact(cacheBytes, .modelled),
        formula: "\(elements) elements in \(context) cells, \(workload.keyValueFormat.rawValue)")
    ]
    let states = architecture.stateElements * sequences
    if states > 0 {
      items.append(
        .init(
          .keyValueCache, "recurrent states", .exact(ByteCount(states * 4), .modelled), formula: "\(states) × 4"))
    }
    return items
  }

  /// The larger of the logits phase with a mask of 16-bit floats (flash attention) and the feed-forward phase; the
  /// output buffer besides.
  static func buffers(_ architecture: ModelArchitecture, _ workload: Workload) -> [MemoryFootprint.Item] {
    let batch = max(1, min(workload.microBatch, workload.contextTokens))
    let context = cells(workload.contextTokens * max(1, workload.sequences))
    let hidden = architecture.hiddenSize
    let vocabulary = architecture.vocabularySize
    let logits = batch * 4 * (vocabulary + hidden) + 2 * batch * context
    let width = architecture.layers.reduce(0) { widest, layer in
      guard let part = layer.feedForward else { return widest }
      return max(widest, part.width, part.activeExperts * part.expertWidth + part.sharedExpertWidth)
    }
    let feedForward = 4 * batch * (2 * width + 2 * hidden)
    let compute = max(logits, feedForward)
    let output = 4 * vocabulary * max(1, workload.sequences)
    return [
      .init(
        .compute, "compute buffer", .within(0.05, of: ByteCount(compute), .modelled),
        formula: "max(\(batch) × 4 × (\(vocabulary) + \(hidden)) + 2 × \(batch) × \(context), feed-forward)"),
      .init(.compute, "output buffer", .exact(ByteCount(output), .modelled), formula: "4 × \(vocabulary) per sequence"),
    ]
  }

  static func overhead(_ architecture: ModelArchitecture, isOnDevice: Bool) -> [MemoryFootprint.Item] {
    guard !isOnDevice else {
      return [
        .init(
          .overhead, "device context", .within(0.5, of: deviceContext, .modelled),
          formula: "driver context and libraries, 250 to 600 MiB")
      ]
    }
    let maps = ByteCount(architecture.vocabularySize * vocabularyBytesPerToken)
    return [
      .init(
        .overhead, "process", .within(0.5, of: processBytes + maps, .modelled),
        formula: "9 MB and \(vocabularyBytesPerToken) bytes per token of the vocabulary")
    ]
  }
}
