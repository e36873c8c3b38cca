// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// The steps of a variant that change shapes or values, one after another.
struct VariantSteps {
  let request: CompressionRequest
  let pool: ThreadPool
  let watch: Watch

  private var text: CalibrationText? { request.calibration }

  func applied(to model: WorkingModel) throws -> WorkingModel {
    var model = model
    let spool = try Spool(beside: request.output)
    if !request.adapters.isEmpty {
      model = try AdapterMerging(request.adapters).apply(model, pool: pool, spool: spool, watch: watch)
    }
    for step in request.variant.structure { model = try applied(step, to: model, spool) }
    guard case .linearLayers(let format) = request.variant.storage, let method = method(for: format) else {
      return model
    }
    return try method.apply(model, text, variant: format.name, pool: pool, spool: spool, watch: watch)
  }

  private func applied(_ step: StructuralStep, to model: WorkingModel, _ spool: Spool) throws -> WorkingModel {
    switch step {
    case .depth(let layers):
      let criterion = request.pruning.depth ?? (text == nil ? .last : .angle)
      return try DepthPruning(removed: layers, criterion: criterion)
        .apply(model, text, pool: pool, spool: spool, watch: watch)
    case .width(let permille):
      return try WidthPruning(
        criterion: request.pruning.width, layers: request.pruning.layers, given: request.structureScores
      ).apply(model, removing: permille, spool: spool, watch: watch)
    case .lowRank(let permille):
      return try LowRankFactoring(permille: permille, readsText: text != nil)
        .apply(model, text, variant: step.name, pool: pool, spool: spool, watch: watch)
    case .mergedAdapter where !request.adapters.isEmpty: return model
    case .adapter, .mergedAdapter: throw CompressorError.needsTraining(step: step.name)
    }
  }

  /// What changes values for a storage; nil for one that every value is simply encoded in.
  private func method(for format: StorageFormat) -> (any LayerMethod)? {
    switch format {
    case .awq(let bits, let group) where request.roundsToNearest,
      .gptq(let bits, let group, _) where request.roundsToNearest:
      return NearestRounding(grid: GroupGrid(bits: Int(bits), group: Int(group), leastZero: 0))
    case .sparse(let pattern):
      switch request.pruning.weights ?? (text == nil ? .magnitude : .sparseGPT) {
      case .magnitude: return Sparsifier(pattern: pattern, readsText: false)
      case .wanda: return Sparsifier(pattern: pattern, readsText: true)
      case .sparseGPT: return CompensatedSparsifier(pattern: pattern)
      }
    case .awq(let bits, let group):
      return ActivationAwareScaling(grid: GroupGrid(bits: Int(bits), group: Int(group), leastZero: 0))
    case .gptq(let bits, let group, let actOrder):
      let grid = GroupGrid(bits: Int(bits), group: Int(group), leastZero: 1)
      return SecondOrderRounding(grid: grid, ordersColumns: actOrder)
    default: return nil
    }
  }

  /// The importance of each input channel for the formats of GGUF; nil without a text, or where nothing is rounded.
  func importance(of model: WorkingModel) throws -> Importance? {
    guard let text, request.variant.isGGUF, request.variant.rounds else { return nil }
    let session = try InferenceSession(
      architecture: model.architecture, weights: model.weights, workload: Workload(contextTokens: text.window),
      kernels: .precise, pool: pool)
    return try Importance.gather(
      text.tokens, window: text.window, session: session, inventory: model.weights.inventory,
      progress: { watch.progress("calibrating: token \($0) of \(text.tokens.count)") }, isCancelled: watch.isCancelled)
  }
}

extension CompressionVariant {
  /// Whether its storage is coarser than floats of 16 bits.
  fileprivate var rounds: Bool {
    if case .uniform(let format) = storage { return ![.f32, .f16, .bf16].contains(format) }
    return storage != nil
  }
}
