// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What llama.cpp allocates for a model, by its own rules.
///
/// - Source: llama.cpp's allocation logs with flash attention at 4096 cells: TinyLlama (V 32,000, d 2048) 70.50 MiB and
///   Qwen3-30B-A3B 304.75 MiB with the mask, Qwen3-30B-A3B 300.75 MiB and Qwen3-235B-A22B 304.75 MiB at 16,384 without.
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
    architecture: ModelArchitecture, weights: ByteCount, workload: Workload, isOnDevice: Bool, devices: Int = 1
  ) {
    items =
      [
        .init(
          .weights, "weights", EngineMemory.loaded(weights),
          formula: "tensors of the GGUF file, each a multiple of 32 bytes")
      ]
      + Self.caches(architecture, workload) + Self.buffers(architecture, workload, devices: devices)
      + Self.overhead(architecture, isOnDevice: isOnDevice, devices: devices)
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

  /// The largest of three phases: logits, the feed-forward part and, without flash
  /// attention, the scores of every head with a mask of 32-bit floats; the output buffer besides.
  ///
  /// - Parameter devices: each of which plans a buffer of its own.
  static func buffers(
    _ architecture: ModelArchitecture, _ workload: Workload, devices: Int = 1
  ) -> [MemoryFootprint.Item] {
    let batch = max(1, min(workload.microBatch, workload.contextTokens))
    let context = cells(workload.contextTokens * max(1, workload.sequences))
    let hidden = architecture.hiddenSize
    let vocabulary = architecture.vocabularySize
    let logits = batch * 4 * (vocabulary + hidden)
    let width = architecture.layers.reduce(0) { widest, layer in
      guard let part = layer.feedForward else { return widest }
      return max(widest, part.width, part.activeExperts * part.expertWidth + part.sharedExpertWidth)
    }
    let feedForward = 4 * batch * (2 * width + 2 * hidden)
    let scores = workload.hasFlashAttention ? 0 : plainAttention(architecture, batch: batch, context: context)
    let compute = max(logits, feedForward, scores) * devices
    // Some versions still hold the mask while the logits are computed.
    let mask = 2 * batch * context * devices
    let output = 4 * vocabulary * max(1, workload.sequences)
    return [
      .init(
        .compute, "compute buffer",
        .known(
          ByteCount(compute), low: ByteCount(compute) / 1.02, high: ByteCount(compute + mask) * 1.05, basis: .modelled,
          source: "allocation rules of llama.cpp"),
        formula:
          "max(\(batch) × 4 × (\(vocabulary) + \(hidden)), feed-forward\(workload.hasFlashAttention ? "" : ", scores"))"
          + (devices > 1 ? " on each of \(devices)" : "")
      ),
      .init(.compute, "output buffer", .exact(ByteCount(output), .modelled), formula: "4 × \(vocabulary) per sequence"),
    ]
  }

  /// - Source: Llama-3-8B's logs without flash attention, 560 MiB at 8192 cells on a device and 296.01 MiB at 4096 on a
  ///   processor, both met to 0.01 MiB.
  private static func plainAttention(_ architecture: ModelArchitecture, batch: Int, context: Int) -> Int {
    let heads = architecture.layers.lazy.flatMap(\.mixers).reduce(0) { most, mixer in
      if case .attention(let shape) = mixer { max(most, shape.heads) } else { most }
    }
    return 4 * batch * (context * (heads + 1) + 4 * architecture.hiddenSize)
  }

  static func overhead(
    _ architecture: ModelArchitecture, isOnDevice: Bool, devices: Int = 1
  ) -> [MemoryFootprint.Item] {
    guard !isOnDevice else {
      return [
        .init(
          .overhead, "device context", .within(0.5, of: deviceContext * Double(devices), .modelled),
          formula: "driver context and libraries, 250 to 600 MiB\(devices > 1 ? " on each of \(devices)" : "")")
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
