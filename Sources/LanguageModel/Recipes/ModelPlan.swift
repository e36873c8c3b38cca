// SPDX-License-Identifier: Apache-2.0

/// A model as blocks: what a recipe makes of a configuration, and what shapes and tensors are drawn from.
struct ModelPlan {
  var hiddenSize: Int
  var vocabularySize: Int
  var contextLength: Int?
  /// Blocks before the layers and after them.
  var outside: [any LayerBlock] = []
  var layers: [[any LayerBlock]] = []
  var hasTiedEmbeddings = false
  var forward = ForwardRules()
  var notes: [DescriptionNote] = []

  /// Shapes and tensors of the plan.
  func description(
    of config: ConfigurationReader
  ) throws(ConfigurationError) -> (architecture: ModelArchitecture, inventory: TensorInventory) {
    var list = TensorList(matrixFormat: Self.format(config.wordHereOrOutside(["torch_dtype", "dtype"])))
    list.reserve(16 * layers.count + 8)
    var unused = LayerDescription(mixers: [], feedForward: nil)
    for block in outside { block.add(to: &unused, tensors: &list, at: -1) }
    var shapes: [LayerDescription] = []
    shapes.reserveCapacity(layers.count)
    for (index, blocks) in layers.enumerated() {
      var layer = LayerDescription(mixers: [], feedForward: nil)
      for block in blocks { block.add(to: &layer, tensors: &list, at: index) }
      shapes.append(layer)
    }
    let tensors = try list.checked(file: config.file)
    let architecture = ModelArchitecture(
      modelType: config.modelType, vocabularySize: vocabularySize, hiddenSize: hiddenSize,
      contextLength: contextLength, layers: shapes, hasTiedEmbeddings: hasTiedEmbeddings, forward: forward)
    try architecture.checkCache(file: config.file)
    return (architecture, TensorInventory(tensors: tensors))
  }

  /// The storage format of published matrices; 16 bits where the file does not say.
  private static func format(_ dtype: String?) -> StorageFormat {
    switch dtype {
    case "float32": .f32
    case "bfloat16": .bf16
    default: .f16
    }
  }
}
