// SPDX-License-Identifier: Apache-2.0

/// The tensors of one layer by role; of several with one role, the first.
struct LayerTensors {
  fileprivate var byRole: [TensorRole: TensorDescription] = [:]

  subscript(role: TensorRole) -> TensorDescription? { byRole[role] }
  func has(_ role: TensorRole) -> Bool { byRole[role] != nil }

  static func byLayer(_ inventory: TensorInventory, layerCount: Int) -> [LayerTensors] {
    var layers = [LayerTensors](repeating: LayerTensors(), count: layerCount)
    for tensor in inventory.tensors where (0..<layerCount).contains(Int(tensor.layer)) {
      layers[Int(tensor.layer)].add(tensor)
    }
    return layers
  }

  /// Two factors count as the matrix that they stand for: (rows, rank) · (rank, columns).
  private mutating func add(_ tensor: TensorDescription) {
    switch tensor.part {
    case .adapterInner, .adapterOuter: return
    case .whole: if byRole[tensor.role] == nil { byRole[tensor.role] = tensor }
    case .inner:
      let rows = byRole[tensor.role]?.rows
      byRole[tensor.role] = tensor
      if let rows { byRole[tensor.role]?.rows = rows }
    case .outer:
      let columns = byRole[tensor.role]?.columns
      byRole[tensor.role] = tensor
      if let columns { byRole[tensor.role]?.columns = columns }
    }
  }
}

/// What a GGUF file's metadata says about all layers, joined with the tensors of one.
struct GGUFLayerFacts {
  let metadata: MetadataReader
  let hiddenSize: Int
  private let heads: [Int]
  private let keyValueHeads: [Int]
  private let windows: GGUFWindows
  private let activeExperts: Int
  /// The first layer that reads earlier caches.
  private let firstSharing: Int
  /// Every so many layers one keeps its queries and keys unrotated; nil rotates all of them, 1 none.
  private let unrotatedPeriod: Int?

  /// Architectures whose code fixes which layers are rotated.
  ///
  /// - Source: SmolLM3's `no_rope_layer_interval`; GPT-2 and StarCoder have a learnt position table.
  private static let unrotatedPeriods = ["smollm3": 4, "gpt2": 1, "starcoder": 1]

  /// The most heads of a layer.
  var widestHeadCount: Int { heads.max() ?? 0 }

  init(_ metadata: MetadataReader, layerCount: Int) throws(ConfigurationError) {
    self.metadata = metadata
    hiddenSize = try metadata.width("embedding_length")
    heads =
      try metadata.perLayer("attention.head_count", layerCount: layerCount)
      ?? [Int](repeating: 0, count: layerCount)
    keyValueHeads = try metadata.perLayer("attention.head_count_kv", layerCount: layerCount) ?? heads
    windows = try GGUFWindows(metadata, layerCount: layerCount)
    activeExperts = try metadata.countIfAny("expert_used_count") ?? 0
    unrotatedPeriod = Self.unrotatedPeriods[metadata.architecture]
    firstSharing = layerCount - (try metadata.countIfAny("attention.shared_kv_layers") ?? 0)
  }

  func layer(_ index: Int, _ tensors: LayerTensors) throws(ConfigurationError) -> LayerDescription {
    var mixers: [Mixer] = []
    if let latent = try latentAttention(index, tensors) {
      mixers.append(.latentAttention(latent))
    } else if let attention = try attention(index, tensors) {
      mixers.append(.attention(attention))
    }
    if let state = try recurrentState(tensors) { mixers.append(.recurrent(state)) }
    return LayerDescription(mixers: mixers, feedForward: feedForward(tensors))
  }

  private func attention(_ index: Int, _ tensors: LayerTensors) throws(ConfigurationError) -> Attention? {
    // A gated delta layer names its projections as attention does.
    let isRecurrent = tensors.has(.recurrentConvolution) || tensors.has(.recurrentDecay)
    let hasOwnKeys = tensors.has(.attentionKey)
    let hasQueries = !isRecurrent && (tensors.has(.attentionQuery) || tensors.has(.attentionQKV))
    guard hasOwnKeys || hasQueries else { return nil }
    // A layer that the file's list gives no heads takes those of the widest one.
    let count = heads[index] > 0 ? heads[index] : heads.max() ?? 0
    guard count > 0 else { throw metadata.missing("attention.head_count") }
    let pairs = keyValueHeads[index] > 0 ? keyValueHeads[index] : keyValueHeads.max() ?? count
    let stated = try metadata.countIfAny("attention.key_length") ?? max(1, hiddenSize / count)
    // A layer that shares another's keys has only queries, of the same width.
    let queryWidth = hasOwnKeys ? nil : Self.width(tensors[.attentionQuery], heads: count)
    let keyWidth = Self.width(tensors[.attentionKey], heads: pairs) ?? queryWidth ?? stated
    let statedValue = try metadata.countIfAny("attention.value_length") ?? stated
    let valueWidth =
      Self.width(tensors[.attentionValue], heads: pairs) ?? (hasOwnKeys ? keyWidth : queryWidth ?? statedValue)
    return Attention(
      heads: count, keyValueHeads: max(1, pairs), keyWidth: keyWidth, valueWidth: valueWidth,
      window: windows[index], hasOwnCache: index < firstSharing,
      isRotated: isRotated(index))
  }

  /// Command R7B's layers that see everything keep no position.
  private func isRotated(_ index: Int) -> Bool {
    if metadata.architecture == "cohere2" { return windows[index] != nil }
    return unrotatedPeriod.map { (index + 1) % $0 != 0 } ?? true
  }

  /// The width of one head, when the matrix divides into them.
  private static func width(_ tensor: TensorDescription?, heads: Int) -> Int? {
    guard let tensor, heads > 0, tensor.rows > 0, Int(tensor.rows) % heads == 0 else { return nil }
    return Int(tensor.rows) / heads
  }

  private func latentAttention(
    _ index: Int, _ tensors: LayerTensors
  ) throws(ConfigurationError) -> LatentAttention? {
    guard let down = tensors[.latentKeyValueDown] else { return nil }
    let stated = try metadata.countIfAny("attention.kv_lora_rank")
    let rank = stated ?? tensors[.latentKeyValueNorm].map { Int($0.columns) }
    guard let rank, rank <= Int(down.rows) else { throw metadata.missing("attention.kv_lora_rank") }
    let ropeWidth = Int(down.rows) - rank
    guard heads[index] > 0 else { throw metadata.missing("attention.head_count") }
    let keyLength = try firstCount("attention.key_length_mla", "attention.key_length")
    let valueLength = try firstCount("attention.value_length_mla", "attention.value_length")
    return LatentAttention(
      heads: heads[index], keyValueRank: rank, ropeWidth: ropeWidth, plainWidth: max(0, (keyLength ?? 0) - ropeWidth),
      valueWidth: valueLength ?? 0, indexWidth: Int(tensors[.indexerKey]?.rows ?? 0),
      queryRank: tensors[.latentQueryDown].map { Int($0.rows) })
  }

  private func firstCount(_ first: String, _ second: String) throws(ConfigurationError) -> Int? {
    if let count = try metadata.countIfAny(first) { return count }
    return try metadata.countIfAny(second)
  }

  /// - Source: state `d_state·d_inner`, convolution window `(c − 1)·channels`, both in 32 bits.
  private func recurrentState(_ tensors: LayerTensors) throws(ConfigurationError) -> RecurrentState? {
    if let convolution = tensors[.shortConvolution] {
      let channels = Int(convolution.rows)
      return RecurrentState(
        stateElements: 0, convolutionElements: channels * max(0, Int(convolution.columns) - 1),
        multiplyAddsPerToken: channels * (Int(convolution.columns) + 2))
    }
    guard let convolution = tensors[.recurrentConvolution] else { return nil }
    guard convolution.rows <= 1 << 24, convolution.columns <= 1 << 10, convolution.copies <= 1 << 10 else {
      throw .tooLarge(file: metadata.file, what: "a convolution")
    }
    let inner = try metadata.width("ssm.inner_size")
    let size = try metadata.width("ssm.state_size")
    return RecurrentState(
      stateElements: inner * size,
      convolutionElements: Int(convolution.rows) * Int(convolution.copies) * max(0, Int(convolution.columns) - 1),
      multiplyAddsPerToken: 3 * inner * size)
  }

  private func feedForward(_ tensors: LayerTensors) -> FeedForward? {
    let dense = tensors[.feedForwardDown]
    let experts = tensors[.expertDown]
    guard dense != nil || experts != nil else { return nil }
    var isGated = [TensorRole.feedForwardGate, .expertGate, .expertGateUp, .feedForwardGateUp].contains(
      where: tensors.has)
    if let dense, let up = tensors[.feedForwardUp], Int(up.rows) == 2 * Int(dense.columns) { isGated = true }
    return FeedForward(
      width: Int(dense?.columns ?? 0), isGated: isGated, experts: Int(experts?.copies ?? 0),
      activeExperts: experts == nil ? 0 : min(activeExperts, Int(experts?.copies ?? 0)),
      expertWidth: Int(experts?.columns ?? 0), sharedExpertWidth: Int(tensors[.sharedExpertDown]?.columns ?? 0))
  }
}
