// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import Quantities

/// What engines take that compute a whole prompt at once and let a cache grow: transformers, ExLlama and MLX.
struct TorchMemory: Sendable {
  /// Scratch space of the libraries of products.
  ///
  /// - Source: 33 to 36 MiB beyond weights and cache in sixteen of Qwen's measurements with transformers 4.51.
  static let workspace = ByteCount.mebibytes(34)
  /// The same with transformers 4.39 and 4.40.
  static let mostWorkspace = ByteCount.mebibytes(240)
  /// The driver's context and loaded kernels: 300 to 600 MiB by driver, beyond what the framework counts.
  static let deviceContext = ByteCount.mebibytes(450)
  /// Blocks that the allocator keeps beyond what is in use: 5 to 10 % of what comes and goes.
  static let slack = 0.075
  /// Prompt tokens that MLX computes at a time.
  static let appleStep = 2048

  let items: [MemoryFootprint.Item]

  init(
    _ engine: Engine, _ architecture: ModelArchitecture, weights: ByteCount, _ workload: Workload,
    _ placement: EngineMemory.Placement
  ) {
    let sequences = max(1, workload.sequences)
    let prompt = max(1, min(workload.promptTokens, workload.contextTokens))
    let step = engine == .mlx ? min(prompt, Self.appleStep) : prompt
    let full = EngineMemory.cache(architecture, workload, tokens: workload.contextTokens)
    let before = EngineMemory.cache(architecture, workload, tokens: prompt)
    let vocabulary = architecture.vocabularySize
    let logits = placement.keepsPromptLogits ? 6 * prompt * vocabulary : 4 * vocabulary
    let activations =
      max(
        EngineMemory.activations(architecture, tokens: step), Double(logits)) * Double(sequences)
    // The prompt's activations are gone when the cache is full.
    let compute = max(Double(4 * vocabulary * sequences), activations - (full - before))
    items =
      [
        .init(.weights, "weights", EngineMemory.loaded(weights), formula: "tensors as the variant stores them"),
        .init(
          .keyValueCache, "KV cache", .exact(ByteCount(magnitude: full), .modelled),
          formula: "\(workload.contextTokens) positions of \(sequences) sequences, \(workload.keyValueFormat.rawValue)"),
        .init(
          .compute, "activations", .within(0.5, of: ByteCount(magnitude: compute), .modelled),
          formula: "peak of \(step) prompt tokens × 2 × (3 × feed-forward + 4 × hidden), less the cache still to come"),
        .init(
          .compute, "workspace",
          .known(
            Self.workspace, low: Self.workspace / 2, high: Self.mostWorkspace, basis: .modelled,
            source: "Qwen's benchmark pages"), formula: "scratch of the matrix library"),
      ]
      + (placement.isOnDevice && engine != .mlx ? Self.overhead(moving: full + compute, placement.devices) : [])
  }

  private static func overhead(moving: Double, _ devices: Int) -> [MemoryFootprint.Item] {
    [
      .init(
        .overhead, "device context", .within(0.4, of: deviceContext * Double(devices), .modelled),
        formula: "driver context and kernels, 300 to 600 MiB on each of \(devices)"),
      .init(
        .overhead, "allocator slack", .within(0.5, of: ByteCount(magnitude: moving * slack), .modelled),
        formula: "5 to 10 % of cache and activations"),
    ]
  }
}
