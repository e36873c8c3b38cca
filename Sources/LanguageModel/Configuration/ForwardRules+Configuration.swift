// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import Quantities

extension ForwardRules {
  /// What running a model needs besides shapes, from its configuration.
  init(_ config: ConfigurationReader, recipe: Recipe, hiddenSize: Int) throws(ConfigurationError) {
    self = .family(of: config.modelType, hiddenSize: hiddenSize)
    let epsilon = try config.number(
      "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_epsilon", "norm_eps")
    if let epsilon, epsilon > 0 { normEpsilon = epsilon }
    if recipe.norm == .weightAndBias { norm = .layer }
    if recipe.placement == .one || recipe.placement == .twoInParallel { residual = .parallel }
    if config.modelType == "gpt_neox", try config.flag("use_parallel_residual") ?? true { residual = .parallel }
    if config.modelType.hasPrefix("gemma") { normOffset = 1 }
    try readFusedOrder(config, recipe)
    readMatrixOrder(config)
    try readDistanceBias(config)
    try readProjection(config)
    try readActivation(config)
    try readScales(config)
    try readRopes(config)
    try readRouting(config)
  }

  private mutating func readFusedOrder(
    _ config: ConfigurationReader, _ recipe: Recipe
  ) throws(ConfigurationError) {
    guard recipe.fusesQueryKeyValue else { return }
    let hasOneGroup = try config.flag("multi_query") ?? false
    let isNew = try config.flag("new_decoder_architecture") ?? false
    switch config.modelType {
    case "falcon", "RefinedWebModel": fusesByGroup = isNew || !hasOneGroup
    case "gpt_bigcode": fusesByGroup = try config.flag("multi_query") == false
    case "gpt_neox", "bloom": fusesByGroup = true
    default: break
    }
  }

  private mutating func readMatrixOrder(_ config: ConfigurationReader) {
    switch config.modelType {
    case "gpt2": transposedRoles = [.attentionQKV, .attentionOutput, .feedForwardUp, .feedForwardDown]
    case "gpt_oss":
      transposedRoles = [.expertGateUp, .expertDown]
      alternatesGateAndUp = true
    default: break
    }
  }

  private mutating func readDistanceBias(_ config: ConfigurationReader) throws(ConfigurationError) {
    let nested = config.part("attn_config")
    let isNested = try nested?.flag("alibi") ?? false
    guard try config.flag("alibi") ?? false || isNested else { return }
    distanceBias = DistanceBias()
    distanceBias?.isScaled = config.modelType == "falcon"
    if let maximum = try nested?.number("alibi_bias_max"), maximum > 0 { distanceBias?.maximum = maximum }
  }

  /// What stands between the projections and attention. OLMoE cuts behind the norms of queries and keys.
  private mutating func readProjection(_ config: ConfigurationReader) throws(ConfigurationError) {
    let nested = config.part("attn_config")
    let inside = try nested?.number("clip_qkv")
    let outside = try config.number("clip_qkv")
    if let limit = inside ?? outside, limit > 0 {
      projectionLimit = limit
      if config.modelType != "mpt" { lacking = "its configuration cuts queries, keys and values ('clip_qkv')" }
    }
    if try nested?.flag("qk_ln") ?? false { lacking = "its configuration normalises queries and keys ('qk_ln')" }
  }

  private mutating func readActivation(_ config: ConfigurationReader) throws(ConfigurationError) {
    // Gemma's first files say gelu and mean the tanh formula.
    guard !config.modelType.hasPrefix("gemma"), activation != .clampedSwiGLU else { return }
    let words: [String: Activation] = [
      "silu": .silu, "swish": .silu, "gelu": .gelu, "gelu_new": .geluTanh, "gelu_fast": .geluTanh,
      "gelu_pytorch_tanh": .geluTanh, "relu": .relu, "relu2": .squaredRelu,
    ]
    let word = config.wordHereOrOutside(["hidden_act", "activation_function", "hidden_activation", "activation"])
    if let word, let known = words[word] { activation = known }
  }

  private mutating func readScales(_ config: ConfigurationReader) throws(ConfigurationError) {
    if let scale = try config.number("embedding_multiplier"), scale > 0 { embeddingScale = scale }
    if let scale = try config.number("residual_multiplier"), scale > 0 { residualScale = scale }
    if let divisor = try config.number("logits_scaling"), divisor > 0 { logitScale = 1 / divisor }
    if let scale = try config.number("logit_scale"), scale > 0 { logitScale = scale }
    if let scale = try config.number("attention_multiplier"), scale > 0 { attentionScale = scale }
    if let scalar = try config.number("query_pre_attn_scalar"), scalar > 0 { attentionScale = 1 / scalar.squareRoot() }
    if let cap = try config.number("attn_logit_softcapping"), cap > 0 { attentionCap = cap }
    if let cap = try config.number("final_logit_softcapping"), cap > 0 { logitCap = cap }
  }

  private mutating func readRopes(_ config: ConfigurationReader) throws(ConfigurationError) {
    // Models with two kinds of attention have one set for each; the global one is the model's.
    let all = config.part("rope_parameters") ?? config.part("rope_scaling")
    let pairing = rope.pairing
    rope = try RopeRules(config, parameters: all?.part("full_attention") ?? all)
    rope.pairing = pairing
    if let local = all?.part("sliding_attention") {
      windowRope = try RopeRules(config, parameters: local)
    } else if let base = try config.number("rope_local_base_freq"), base > 0 {
      windowRope = RopeRules(base: base, width: rope.width)
    }
    guard case .yarn(var yarn) = rope.scaling, let all else { return }
    if let scale = try all.number("llama_4_scaling_beta"), scale > 0 {
      queryGrowth = QueryGrowth(scale: scale, length: yarn.originalContext)
    }
    guard let multiplier = try all.number("mscale_all_dim"), multiplier > 0 else { return }
    func magnitude(_ multiplier: Double) -> Double { 1 + 0.1 * multiplier * Logarithm.natural(yarn.factor) }
    let ownMultiplier = try all.number("mscale") ?? 1
    yarn.magnitude = magnitude(ownMultiplier) / magnitude(multiplier)
    rope.scaling = .yarn(yarn)
    guard let plain = try config.countIfAny("qk_nope_head_dim"), let rotated = try config.countIfAny("qk_rope_head_dim")
    else { return }
    // DeepSeek-V2 moves YaRN's magnitude from the rotation into the scores.
    attentionScale = magnitude(multiplier) * magnitude(multiplier) / Double(plain + rotated).squareRoot()
  }

  private mutating func readRouting(_ config: ConfigurationReader) throws(ConfigurationError) {
    if config.wordHereOrOutside(["scoring_func"]) == "sigmoid" { routing.score = .sigmoid }
    if let flag = try config.flag("norm_topk_prob") { routing.normalises = flag }
    if let scale = try config.number("routed_scaling_factor"), scale > 0 { routing.scale = scale }
    routing.groups = try config.countIfAny("n_group") ?? 1
    routing.chosenGroups = min(routing.groups, try config.countIfAny("topk_group") ?? routing.groups)
  }
}

extension RopeRules {
  fileprivate init(
    _ config: ConfigurationReader, parameters: ConfigurationReader?
  ) throws(ConfigurationError) {
    self.init()
    let nested = config.part("attn_config")
    let own = try config.number("rope_theta", "rotary_emb_base", "rope_embedding_base", "rope_freq_constant")
    let inParameters = try parameters?.number("rope_theta")
    let inAttention = try nested?.number("rope_theta")
    if let stated = inParameters ?? own ?? inAttention, stated > 0 { base = stated }
    width = try Self.rotatedWidth(config)
    if let parameters { scaling = try RopeScaling(config, parameters) }
  }

  /// Rotated elements per head, when the file says that it is not all of them.
  private static func rotatedWidth(_ config: ConfigurationReader) throws(ConfigurationError) -> Int? {
    if let width = try config.countIfAny("rotary_dim", "qk_rope_head_dim") { return width }
    let own = try config.number("partial_rotary_factor", "rotary_pct", "rope_pct")
    let inParameters = try config.part("rope_parameters")?.number("partial_rotary_factor")
    guard let share = own ?? inParameters, share > 0, share < 1,
      let heads = try config.countIfAny("num_attention_heads", "n_head"),
      let hidden = try config.widthIfAny("hidden_size", "n_embd")
    else { return nil }
    let width = try config.countIfAny("head_dim", "kv_channels") ?? hidden / heads
    return max(1, Int(Double(width) * share))
  }
}

extension RopeScaling {
  /// A kind whose numbers are missing or make no sense stretches nothing.
  fileprivate init(
    _ config: ConfigurationReader, _ parameters: ConfigurationReader
  ) throws(ConfigurationError) {
    let factor = try parameters.number("factor").flatMap { $0 > 0 ? $0 : nil }
    let trained = try config.number("max_position_embeddings")
    let stated = try parameters.number("original_max_position_embeddings")
    let outside = try config.number("original_max_position_embeddings")
    let original = stated ?? outside ?? trained ?? 0
    let magnitude = try parameters.number("attention_factor")
    self = .none
    switch parameters.wordHereOrOutside(["rope_type", "type"]) {
    case "linear": if let factor { self = .linear(factor: factor) }
    case "llama3": if let llama = try Llama3RopeScaling(parameters) { self = .llama3(llama) }
    case "yarn":
      guard let factor, original > 0 else { return }
      var yarn = YarnRopeScaling(factor: factor, originalContext: original)
      if let fast = try parameters.number("beta_fast"), fast > 0 { yarn.betaFast = fast }
      if let slow = try parameters.number("beta_slow"), slow > 0 { yarn.betaSlow = slow }
      yarn.magnitude = magnitude
      yarn.roundsBounds = try parameters.flag("truncate") ?? true
      self = .yarn(yarn)
    case "longrope", "su":
      guard let context = Int(exactly: original), context > 0 else { return }
      // √(1 + ln(stretch) / ln(original)), as Phi-3's code derives it.
      let stretch = (trained ?? original) / original
      let derived = stretch > 1 ? (1 + Logarithm.natural(stretch) / Logarithm.natural(original)).squareRoot() : 1
      var long = LongRopeScaling(originalContext: context, magnitude: magnitude ?? derived)
      long.shortFactors = (parameters.listIfAny("short_factor") ?? []).compactMap(\.doubleValue)
      long.longFactors = (parameters.listIfAny("long_factor") ?? []).compactMap(\.doubleValue)
      self = .longRope(long)
    default: break
    }
  }
}

extension Llama3RopeScaling {
  /// Nil when a number is missing or makes no sense.
  fileprivate init?(_ parameters: ConfigurationReader) throws(ConfigurationError) {
    guard let factor = try parameters.number("factor"), factor > 0,
      let low = try parameters.number("low_freq_factor"), low > 0,
      let high = try parameters.number("high_freq_factor"), high > low,
      let context = try parameters.number("original_max_position_embeddings"), context > 0
    else { return nil }
    self.init(factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: context)
  }
}
