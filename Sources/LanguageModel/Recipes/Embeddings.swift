// SPDX-License-Identifier: Apache-2.0

/// What stands before the layers and after them: token and position tables, their norms, the output head.
enum Embeddings {
  static func plan(
    _ config: ConfigurationReader, _ recipe: Recipe, _ sizes: CommonSizes
  ) throws(ConfigurationError) -> ModelPlan {
    var plan = ModelPlan(
      hiddenSize: sizes.hiddenSize, vocabularySize: sizes.vocabularySize, contextLength: sizes.contextLength)
    plan.hasTiedEmbeddings = try config.flagHereOrOutside("tie_word_embeddings") ?? recipe.isTiedByDefault
    plan.forward = try ForwardRules(config, recipe: recipe, hiddenSize: sizes.hiddenSize)
    try addInput(to: &plan, config, recipe)
    try addOutput(to: &plan, config, recipe)
    return plan
  }

  private static func addInput(
    to plan: inout ModelPlan, _ config: ConfigurationReader, _ recipe: Recipe
  ) throws(ConfigurationError) {
    let hidden = plan.hiddenSize
    let width = try config.widthIfAny("word_embed_proj_dim") ?? hidden
    plan.outside.append(MatrixBlock(.tokenEmbedding, plan.vocabularySize + recipe.extraTokenRows, width))
    if width != hidden {
      plan.outside.append(MatrixBlock(.embeddingProjection, hidden, width))
      plan.outside.append(MatrixBlock(.outputProjection, width, hidden))
    }
    if case .learnt(let extraRows) = recipe.positions {
      guard let context = plan.contextLength else { throw config.missing(["max_position_embeddings"]) }
      plan.outside.append(MatrixBlock(.positionEmbedding, context + extraRows, hidden))
    }
    if let style = recipe.embeddingNorm {
      plan.outside.append(NormBlock(role: .embeddingNorm, width: hidden, style: style))
    }
  }

  private static func addOutput(
    to plan: inout ModelPlan, _ config: ConfigurationReader, _ recipe: Recipe
  ) throws(ConfigurationError) {
    if try recipe.hasFinalNorm.value(in: config) {
      plan.outside.append(NormBlock(role: .outputNorm, width: plan.hiddenSize, style: recipe.norm))
    }
    if !plan.hasTiedEmbeddings { plan.outside.append(MatrixBlock(.outputHead, plan.vocabularySize, plan.hiddenSize)) }
    if try recipe.headBias.value(in: config) {
      plan.outside.append(ExtraTensor(role: .outputHeadBias, columns: plan.vocabularySize))
    }
  }
}

/// One matrix that is neither mixer nor feed-forward.
struct MatrixBlock: LayerBlock {
  var role: TensorRole
  var rows: Int
  var columns: Int
  var copies: Int

  init(_ role: TensorRole, _ rows: Int, _ columns: Int, copies: Int = 1) {
    self.role = role
    self.rows = rows
    self.columns = columns
    self.copies = copies
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    tensors.matrix(role, layer: index, rows, columns, copies: copies)
  }
}
