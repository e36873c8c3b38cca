// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What vLLM, SGLang and TensorRT-LLM take: they fill a share of the device, the cache with what the rest leaves.
package struct ServingMemory: Sendable {
  /// Tokens of a cache block.
  static let block = 16
  /// Tokens of the batch that the engine profiles itself with: by default more on devices of the large class.
  static let batch = (usual: 2048, large: 8192, boundary: ByteCount.gigabytes(70))
  /// Libraries beyond the framework, and on several devices the buffers of their exchange.
  ///
  /// - Source: vLLM's profiles: 51 and 123 MiB on one device, 205 and 307 MiB on four and two.
  static let libraries = (one: ByteCount.mebibytes(90), several: ByteCount.mebibytes(260))
  /// Recorded graphs of the decode steps, beside the share; engines log 0.3 to 1.5 GiB.
  static let graphs = ByteCount.mebibytes(700)

  package let items: [MemoryFootprint.Item]
  /// What the share leaves for the cache, on all devices together; nil where the memory is not known.
  package let room: Known<ByteCount>?
  /// Sequences of the workload's context that the room holds.
  package let concurrency: Int?

  package init(
    _ architecture: ModelArchitecture, weights: ByteCount, _ workload: Workload, _ placement: EngineMemory.Placement
  ) {
    let devices = placement.devices
    let isLarge = (placement.deviceMemory ?? .zero) >= Self.batch.boundary
    let tokens = isLarge ? Self.batch.large : Self.batch.usual
    let activations = ByteCount(
      magnitude: EngineMemory.activations(architecture, tokens: tokens, devices: placement.parallel) * Double(devices))
    let libraries = (devices > 1 ? Self.libraries.several : Self.libraries.one) * Double(devices)
    let positions = (workload.contextTokens + Self.block - 1) / Self.block * Self.block
    // A device holds one KV head at least: with fewer heads than devices several hold the same.
    let copies =
      Double(placement.parallel)
      * KeyValueShare.of(heads: architecture.fewestKeyValueHeads, devices: placement.parallel)
    let cache = EngineMemory.cache(architecture, workload, tokens: positions) * copies
    items = [
      .init(.weights, "weights", EngineMemory.loaded(weights), formula: "tensors as the variant stores them"),
      .init(
        .keyValueCache, "KV blocks", .exact(ByteCount(magnitude: cache), .modelled),
        formula: "blocks of \(Self.block) tokens, \(positions) positions × \(max(1, workload.sequences)) sequences"
          + (copies > 1 ? ", \(QuantityFormat.fixed(copies, decimals: 1)) copies on \(devices) devices" : "")),
      .init(
        .compute, "activations", .within(0.35, of: activations, .modelled),
        formula: "profiling batch of \(tokens) tokens × 2 × (3 × feed-forward / \(placement.parallel) + 4 × hidden)"),
      .init(
        .overhead, "libraries", .within(0.6, of: libraries, .modelled), formula: "51 to 307 MiB a device in vLLM's logs"
      ),
      .init(
        .overhead, "recorded graphs", .within(0.6, of: Self.graphs * Double(devices), .modelled),
        formula: "0.3 to 1.5 GiB a device"),
    ]
    guard let memory = placement.deviceMemory else {
      (room, concurrency) = (nil, nil)
      return
    }
    let usable = memory * Double(devices) * placement.share
    let left = max(0, (usable - weights - activations - libraries).magnitude)
    room = .within(0.08, of: ByteCount(magnitude: left), .modelled)
    let one = cache / Double(max(1, workload.sequences))
    concurrency = one > 0 ? Int(left / one) : nil
  }
}
