// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// What an assignment needs to know of a tensor; the same for the tensors of a group but for their position.
struct TensorShape: Hashable, Sendable {
  var category: TensorCategory
  var tensorClass: TensorClass
  var part: TensorPart
  var rows: Int32
  var columns: Int32
  var copies: Int32
  var isInLayers: Bool
  /// As published or found.
  var format: StorageFormat

  init(_ tensor: TensorDescription) {
    category = TensorCategory(tensor)
    tensorClass = TensorClass(tensor.role)
    part = tensor.part
    rows = tensor.rows
    columns = tensor.columns
    copies = tensor.copies
    isInLayers = tensor.layer >= 0
    format = tensor.format
  }

  /// A tensor of this shape in some format: enough of one to ask for its bytes.
  func tensor(storedIn format: StorageFormat) -> TensorDescription {
    TensorDescription(.other, rows: Int(rows), columns: Int(columns), copies: Int(copies), format: format)
  }
}

/// Where a tensor stands among its like.
struct TensorPosition: Sendable {
  /// How many tensors of the same category come before it.
  var ordinal: Int16
  var layer: Int16
}

/// Gives every tensor of one model its format under one step: the one home of that decision.
///
/// A list of tensors and a sum over groups of them both ask here.
struct FormatAssignment: Sendable {
  private enum Method: Sendable {
    case unchanged
    case mixture(MixtureRules)
    case uniform(BlockFormat)
    case linearLayers(StorageFormat)
  }

  private let method: Method
  private let facts: MixtureFacts

  init(_ step: CompressionStep?, facts: MixtureFacts) {
    self.facts = facts
    method =
      switch step {
      case .structure, .student, nil: .unchanged
      case .mixture(let mixture, let hasMatrix):
        .mixture(MixtureRules(mixture, hasImportanceMatrix: hasMatrix, facts: facts))
      case .uniform(let format): .uniform(format)
      case .linearLayers(let format): .linearLayers(format)
      }
  }

  /// The decision for all tensors of a shape.
  func choice(for shape: TensorShape) -> FormatChoice {
    switch method {
    case .unchanged: FormatChoice(shape.format)
    case .mixture(let rules): choice(rules, shape)
    case .uniform(let format): FormatChoice(.block(uniform(format, shape)))
    case .linearLayers(let format): FormatChoice(linearFormat(format, shape))
    }
  }

  private func uniform(_ format: BlockFormat, _ shape: TensorShape) -> BlockFormat {
    switch shape.category {
    case .kept: .f32
    case .float: format.elementsPerBlock == 1 ? format : .f16
    default: format.fitting(columns: Int(shape.columns))
    }
  }

  private func choice(_ rules: MixtureRules, _ shape: TensorShape) -> FormatChoice {
    let columns = Int(shape.columns)
    if rules.mixture == .mxfp4_moe, shape.copies > 1, shape.category != .kept, shape.category != .float {
      return FormatChoice(.block(BlockFormat.mxfp4.fitting(columns: columns)))
    }
    let isHead = shape.category == .head || facts.isTied && shape.category == .embedding
    // The output head is decided before the fallback: a row that the recipe's own blocks do not fit gets 8 bits.
    if isHead, columns % rules.mixture.baseFormat.elementsPerBlock != 0 {
      return FormatChoice(.block(BlockFormat.q8_0.fitting(columns: columns)))
    }
    let rule = rules.rule(shape.category)
    return FormatChoice(
      rule: rule, columns: columns, indexing: indexing(rules.mixture, shape.category),
      facts: facts)
  }

  /// What counts as the layer for a rule: feed-forward tensors of a mixture of experts go by the layer in their name,
  /// all others (and recipes below three bits) by how many came before.
  private func indexing(_ mixture: GGUFMixture, _ category: TensorCategory) -> FormatChoice.Indexing {
    switch category {
    case .down, .up, .gate: facts.experts > 1 && !mixture.isBelowThreeBits ? .layer : .ordinalAmongLayers
    default: .ordinalAmongValues
    }
  }

  /// - Source: cost rules of AutoAWQ, AutoGPTQ, bitsandbytes: linear layers of the blocks only; AutoAWQ leaves out
  ///   matrices whose inputs are no whole number of groups or whose outputs do not fill packed words.
  private func linearFormat(_ format: StorageFormat, _ shape: TensorShape) -> StorageFormat {
    let isLinear: Bool =
      switch shape.category {
      case .kept, .float, .embedding, .head: false
      default: shape.isInLayers
      }
    guard isLinear else { return .f16 }
    if case .awq(let bits, let group) = format,
      group > 0 && shape.columns % Int32(group) != 0 || shape.rows % (32 / Int32(bits)) != 0
    {
      return .f16
    }
    return format
  }
}

/// A decided format, or a rule that still asks for the layer.
struct FormatChoice: Sendable {
  enum Indexing: Sendable { case layer, ordinalAmongLayers, ordinalAmongValues }

  private let rule: FormatRule?
  private let fixed: StorageFormat
  private let columns: Int
  private let indexing: Indexing
  private let count: Int

  init(_ format: StorageFormat) {
    rule = nil
    fixed = format
    columns = 0
    indexing = .layer
    count = 0
  }

  init(rule: FormatRule, columns: Int, indexing: Indexing, facts: MixtureFacts) {
    self.rule = rule.dependsOnLayer ? rule : nil
    fixed = .block(rule.usual.fitting(columns: columns))
    self.columns = columns
    self.indexing = indexing
    count = indexing == .ordinalAmongValues ? facts.valueTensors : facts.layers
  }

  /// The format of all tensors of the group; nil when it depends on the layer.
  var uniform: StorageFormat? { rule == nil ? fixed : nil }

  func format(at position: TensorPosition) -> StorageFormat {
    guard let rule else { return fixed }
    let index = Int(indexing == .layer ? position.layer : position.ordinal)
    return .block(rule.format(at: index, of: count).fitting(columns: columns))
  }
}
