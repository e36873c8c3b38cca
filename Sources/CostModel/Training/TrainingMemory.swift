// SPDX-License-Identifier: Apache-2.0
package import Compression
package import LanguageModel
internal import Quantities

/// What training takes on one device: weights, gradients, the optimiser, and activations that wait for the backward pass.
package struct TrainingMemory: Sendable {
  /// Bytes of a 16-bit gradient.
  static let gradientBytes = 2.0
  /// A logit in 16 bits, widened, and its gradient: the loss is computed in 32 bits.
  static let logitBytes = 10.0
  /// Activations that frozen matrices need not keep.
  static let frozenShare = 0.7
  static let deviceContext = ByteCount.mebibytes(450)

  package let items: [MemoryFootprint.Item]
  /// Weights that the optimiser changes.
  package let trainedParameters: Int
  /// Operations per token over those of a forward pass.
  package let passes: Double

  /// - Throws: `CompressionError` for a model whose shapes do not allow the plan's adapters.
  package init(_ description: LanguageModelDescription, _ plan: TrainingPlan) throws(CompressionError) {
    let variant = plan.variant
    let adapted = try variant.restructured(description)
    let weights = variant.summary(of: TensorCensus(adapted)).alignedBytes
    let isFull = plan.method == .full
    let adapters = adapted.inventory.tensors.reduce(0) { $0 + ($1.part.isAdapter ? $1.elements : 0) }
    let trained = isFull ? description.parametersTotal : adapters
    trainedParameters = trained
    // Forward, gradients of the inputs, and gradients of the weights where they are trained; forward again.
    passes = (isFull ? 3 : 2) + (plan.hasCheckpointing ? 1 : 0)
    let tokens = Double(plan.batch * plan.sequenceTokens)
    let kept = Self.activations(description.architecture, tokens: tokens, plan) * (isFull ? 1 : Self.frozenShare)
    let logits = tokens * Double(description.architecture.vocabularySize) * Self.logitBytes
    let state = Double(trained) * plan.optimizer.stateBytes
    items = [
      .init(.weights, "weights", EngineMemory.loaded(weights), formula: "loaded as \(variant.name)"),
      .init(
        .compute, "gradients", .exact(ByteCount(magnitude: Double(trained) * Self.gradientBytes), .modelled),
        formula: "\(trained) trained weights × 2"),
      .init(
        .compute, "optimiser", .exact(ByteCount(magnitude: state), .modelled),
        formula: "\(trained) trained weights × \(Int(plan.optimizer.stateBytes)), \(plan.optimizer.rawValue)"),
      .init(
        .compute, "activations", .within(0.3, of: ByteCount(magnitude: kept), .modelled),
        formula:
          "\(Int(tokens)) tokens, \(plan.hasCheckpointing ? "inputs of layers and one layer whole" : "all layers")"),
      .init(
        .compute, "logits and loss", .within(0.2, of: ByteCount(magnitude: logits), .modelled),
        formula: "\(Int(tokens)) tokens × \(description.architecture.vocabularySize) × 10"),
      .init(
        .overhead, "device context", .within(0.4, of: Self.deviceContext, .modelled),
        formula: "driver context and kernels, 300 to 600 MiB"),
    ]
  }

  package var footprint: MemoryFootprint { MemoryFootprint(items: items) }

  /// Bytes kept from the forward to the backward pass, flash attention and no dropout.
  ///
  /// - Source: counting a layer's saved tensors in 16 bits, after arXiv 2205.05198: norms' inputs and outputs, queries,
  ///   keys, values, attention's output, gate, up and their product; with checkpoints the layers' inputs and one layer.
  private static func activations(_ architecture: ModelArchitecture, tokens: Double, _ plan: TrainingPlan) -> Double {
    let layers = architecture.layers.map { layer in
      var elements = 5 * architecture.hiddenSize
      for mixer in layer.mixers {
        switch mixer {
        case .attention(let shape):
          elements += 2 * shape.heads * shape.keyWidth + shape.keyValueHeads * (shape.keyWidth + shape.valueWidth)
        case .latentAttention(let shape):
          elements += 4 * shape.heads * (shape.keyValueRank / 4 + shape.ropeWidth) + shape.keyValueRank
        case .recurrent(let state): elements += state.stateElements / max(1, architecture.hiddenSize)
        }
      }
      if let part = layer.feedForward {
        elements += 3 * (part.width + part.activeExperts * part.expertWidth + part.sharedExpertWidth)
      }
      return 2 * Double(elements) * tokens
    }
    guard plan.hasCheckpointing else { return layers.reduce(0, +) }
    return 2 * Double(architecture.hiddenSize * layers.count) * tokens + (layers.max() ?? 0)
  }
}
