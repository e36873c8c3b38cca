// SPDX-License-Identifier: Apache-2.0
internal import Quantities

extension ForwardRules {
  /// What running a GGUF file's model needs besides shapes: the family's rules, and what the file says.
  ///
  /// - Source: the keys of the GGUF specification and of gguf-py's constants.
  init(
    _ metadata: MetadataReader, family: ForwardRules, firstLayer: LayerTensors, layerCount: Int, headCount: Int
  ) throws(ConfigurationError) {
    self = family
    let epsilon =
      metadata.number("attention.layer_norm_rms_epsilon") ?? metadata.number("attention.layer_norm_epsilon")
    if let epsilon, epsilon > 0 { normEpsilon = epsilon }
    readScales(metadata, layerCount: layerCount, headCount: headCount)
    try readRopes(metadata)
    routing = try RoutingRules(metadata, family: routing)
    // One norm for both parts, or a file that says so.
    let hasOneNorm =
      firstLayer.has(.attentionNorm) && !firstLayer.has(.feedForwardNorm) && !firstLayer.has(.attentionPostNorm)
    if hasOneNorm || metadata.flag("use_parallel_residual") == true { residual = .parallel }
  }

  private mutating func readScales(_ metadata: MetadataReader, layerCount: Int, headCount: Int) {
    if let scale = metadata.positive("embedding_scale") { embeddingScale = scale }
    if let scale = metadata.positive("residual_scale") { residualScale = scale }
    // Granite's files hold its divisor, Cohere's a factor.
    if let stated = metadata.positive("logit_scale") {
      logitScale = metadata.architecture.hasPrefix("granite") ? 1 / stated : stated
    }
    if let scale = metadata.positive("attention.scale") { attentionScale = scale }
    if let limit = metadata.positive("attention.clamp_kqv") {
      projectionLimit = limit
      if metadata.architecture != "mpt" { lacking = "its file cuts queries, keys and values ('attention.clamp_kqv')" }
    }
    if let maximum = metadata.positive("attention.max_alibi_bias") {
      distanceBias = DistanceBias()
      distanceBias?.maximum = maximum
    }
    if metadata.architecture == "gemma2" {
      attentionCap = metadata.positive("attn_logit_softcapping") ?? 50
      logitCap = metadata.positive("final_logit_softcapping") ?? 30
    } else {
      logitCap = metadata.positive("final_logit_softcapping")
    }
    // The 27B models scale by their hidden size per head; no key says so.
    let is27B = ["gemma2": 46, "gemma3": 62][metadata.architecture] == layerCount
    if is27B, headCount > 0, let hidden = metadata.number("embedding_length") {
      attentionScale = 1 / (hidden / Double(headCount)).squareRoot()
    }
  }

  private mutating func readRopes(_ metadata: MetadataReader) throws(ConfigurationError) {
    rope = try RopeRules(metadata)
    if let scale = metadata.positive("attention.temperature_scale"), case .yarn(let yarn) = rope.scaling {
      queryGrowth = QueryGrowth(scale: scale, length: yarn.originalContext)
    }
    let isStretchedInWindows = !["gemma3", "olmo2"].contains(metadata.architecture)
    if let base = metadata.positive("rope.freq_base_swa") { windowRope = RopeRules(base: base) }
    if metadata.architecture == "olmo2" { windowRope = RopeRules(base: rope.base) }
    windowRope?.width = rope.width
    windowRope?.pairing = rope.pairing
    if isStretchedInWindows { windowRope?.scaling = rope.scaling }
    // DeepSeek-V2 moves YaRN's magnitude from the rotation into the scores (its `mscale_all_dim`, times 0.1).
    guard case .yarn(var yarn) = rope.scaling,
      let multiplier = metadata.positive("rope.scaling.yarn_log_multiplier")
    else { return }
    let stretch = Logarithm.natural(yarn.factor)
    guard metadata.architecture == "deepseek2" else {
      yarn.magnitude = (1 + 0.1 * stretch) / (1 + 0.1 * multiplier * stretch)
      rope.scaling = .yarn(yarn)
      return
    }
    yarn.magnitude = 1
    rope.scaling = .yarn(yarn)
    guard
      let width = metadata.positive("attention.key_length_mla") ?? metadata.positive("attention.key_length")
    else { return }
    let magnitude = 1 + multiplier * stretch
    attentionScale = magnitude * magnitude / width.squareRoot()
  }
}

extension RopeRules {
  fileprivate init(_ metadata: MetadataReader) throws(ConfigurationError) {
    self.init()
    pairing = Self.neighbourArchitectures.contains(metadata.architecture) ? .neighbours : .halves
    if let stated = metadata.positive("rope.freq_base") { base = stated }
    width = try metadata.countIfAny("rope.dimension_count")
    scaling = try RopeScaling(metadata)
  }

  /// Architectures whose files hold query and key rows in the order of neighbouring pairs.
  ///
  /// - Source: llama.cpp's table of rope types (`llama_model_rope_type`: NORM).
  private static let neighbourArchitectures: Set<String> = [
    "llama", "llama4", "mistral3", "deci", "baichuan", "starcoder", "internlm2", "minicpm", "xverse", "command-r",
    "cohere2", "olmo", "arctic", "deepseek", "deepseek2", "deepseek32", "glm-dsa", "plm", "chatglm", "granite",
    "granitemoe", "granitehybrid", "chameleon", "bailingmoe", "arcee", "ernie4_5", "ernie4_5-moe", "smollm3", "glm4",
    "neo-bert", "seed-oss", "apertus", "mistral4",
  ]
}

extension RopeScaling {
  /// A kind without factor stretches nothing; Llama 3's kind is written as divisors in a tensor, LongRoPE's as two.
  fileprivate init(_ metadata: MetadataReader) throws(ConfigurationError) {
    let factor = metadata.positive("rope.scaling.factor") ?? metadata.positive("rope.scale_linear")
    let limit = 0...ConfigurationReader.Limit.context
    let trained = try metadata.integer("context_length", in: limit)
    let original = try metadata.integer("rope.scaling.original_context_length", in: limit) ?? trained ?? 0
    let magnitude = metadata.positive("rope.scaling.attn_factor")
    switch metadata.string("rope.scaling.type") {
    case "yarn":
      var yarn = YarnRopeScaling(factor: factor ?? 1, originalContext: Double(original))
      if let fast = metadata.positive("rope.scaling.yarn_beta_fast") { yarn.betaFast = fast }
      if let slow = metadata.positive("rope.scaling.yarn_beta_slow") { yarn.betaSlow = slow }
      if let magnitude { yarn.magnitude = magnitude * (1 + 0.1 * Logarithm.natural(yarn.factor)) }
      self = original > 0 ? .yarn(yarn) : .none
    case "longrope": self = .longRope(LongRopeScaling(originalContext: original, magnitude: magnitude ?? 1))
    case nil, "linear": self = factor.map { .linear(factor: $0) } ?? .none
    default: self = .none
    }
    // Phi-3's files name no kind: the two tensors say it, and the magnitude stands alone.
    if metadata.architecture == "phi3", self == .none {
      self = .longRope(LongRopeScaling(originalContext: original, magnitude: magnitude ?? 1))
    }
  }
}

extension RoutingRules {
  fileprivate init(_ metadata: MetadataReader, family: RoutingRules) throws(ConfigurationError) {
    self = family
    switch try metadata.integer("expert_gating_func", in: 0...255) {
    case 1: score = .softmax
    case 2: score = .sigmoid
    case 3: score = .softmaxOfChosen
    default: break
    }
    if let flag = metadata.flag("expert_weights_norm") { normalises = flag }
    if let factor = metadata.positive("expert_weights_scale") { scale = factor }
    groups = try metadata.countIfAny("expert_group_count") ?? 1
    chosenGroups = min(groups, try metadata.countIfAny("expert_group_used_count") ?? groups)
  }
}
