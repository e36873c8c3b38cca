// SPDX-License-Identifier: Apache-2.0

/// Nemotron-H: every layer is one norm and one block, which mixes or transforms but not both.
enum NemotronPlan {
  static func plan(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) -> ModelPlan {
    let sizes = try CommonSizes(config)
    var plan = try Embeddings.plan(config, recipe, sizes)
    let blocks = try Blocks(config, recipe, sizes)
    let kinds = try LayerKind.kinds(config, layerCount: sizes.layerCount)
    let norm = NormBlock(role: .attentionNorm, width: sizes.hiddenSize, style: .weight)
    var drawn: [LayerKind: [any LayerBlock]] = [:]
    for kind in Set(kinds) { drawn[kind] = [norm, try blocks.block(kind)] }
    plan.layers = kinds.map { drawn[$0] ?? [norm] }
    return plan
  }

  /// One block of each kind; all layers of a kind are alike.
  private struct Blocks {
    let config: ConfigurationReader
    let recipe: Recipe
    let sizes: CommonSizes

    init(_ config: ConfigurationReader, _ recipe: Recipe, _ sizes: CommonSizes) throws(ConfigurationError) {
      self.config = config
      self.recipe = recipe
      self.sizes = sizes
    }

    func block(_ kind: LayerKind) throws(ConfigurationError) -> any LayerBlock {
      let hidden = sizes.hiddenSize
      switch kind {
      case .stateSpace: return try StateSpaceDualityBlock(config, hiddenSize: hidden)
      case .feedForward:
        let width = try TransformerPlanner.feedForwardWidth(config, recipe, hiddenSize: hidden)
        guard let width else { throw config.missing(["intermediate_size"]) }
        return try TransformerPlanner.feedForward(config, recipe, hiddenSize: hidden, width: width)
      case .experts: return try experts()
      default: return try TransformerPlanner.attention(config, recipe, hiddenSize: hidden)
      }
    }

    private func experts() throws(ConfigurationError) -> ExpertsBlock {
      let pattern = try ExpertPattern(config, recipe: recipe, layerCount: sizes.layerCount, denseWidth: nil)
      guard let pattern else { throw config.missing(["n_routed_experts", "num_experts"]) }
      return try TransformerPlanner.expertsBlock(pattern, config, recipe, hiddenSize: sizes.hiddenSize)
    }
  }
}
