// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel
internal import ModelFiles

/// The parts of a layer, put together from their tensors.
extension TensorFinder {
  mutating func linear(
    _ role: TensorRole, _ biasRole: TensorRole, _ layer: Int, rows: Int, columns: Int
  ) throws(LanguageRuntimeError) -> PreparedLinear {
    let bias = try optionalVector(biasRole, layer, count: rows)
    var linear: PreparedLinear
    if has(role, layer, .inner) {
      let (outer, inner) = try pair(role, layer, rows: rows, columns: columns, .outer, .inner)
      linear = PreparedLinear(matrix: outer, bias: bias, inner: inner)
    } else {
      linear = PreparedLinear(matrix: try matrix(role, layer, rows: rows, columns: columns), bias: bias)
    }
    if has(role, layer, .adapterInner) {
      linear.adapter = try pair(role, layer, rows: rows, columns: columns, .adapterOuter, .adapterInner)
    }
    return linear
  }

  /// Two factors of (rows, columns): (rows, rank) and (rank, columns).
  private func pair(
    _ role: TensorRole, _ layer: Int, rows: Int, columns: Int, _ outer: TensorPart, _ inner: TensorPart
  ) throws(LanguageRuntimeError) -> (outer: PreparedMatrix, inner: PreparedMatrix) {
    let rank = self.rows(role, layer, inner)
    return (
      try matrix(role, layer, rows: rows, columns: rank, factor: outer),
      try matrix(role, layer, rows: rank, columns: columns, factor: inner)
    )
  }

  mutating func attention(
    _ shape: Attention, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> PreparedAttention {
    let width = shape.keyWidth
    let (query, key, value) = try projections(shape, layer, hidden: hidden)
    return PreparedAttention(
      shape: shape, query: query, key: key, value: value,
      output: try linear(
        .attentionOutput, .attentionOutputBias, layer, rows: hidden, columns: shape.heads * shape.valueWidth),
      queryNorm: try headNorm(.attentionQueryNorm, layer, heads: shape.heads, width: width),
      keyNorm: try headNorm(.attentionKeyNorm, layer, heads: shape.keyValueHeads, width: width),
      sinks: try optionalVector(.attentionSinks, layer, count: shape.heads))
  }

  /// Query, key and value: three matrices, or the rows of one in this order.
  private mutating func projections(
    _ shape: Attention, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> (PreparedLinear, PreparedLinear, PreparedLinear) {
    let queries = shape.heads * shape.keyWidth
    let keys = shape.keyValueHeads * shape.keyWidth
    let values = shape.keyValueHeads * shape.valueWidth
    guard has(.attentionQKV, layer) else {
      return (
        try linear(.attentionQuery, .attentionQueryBias, layer, rows: queries, columns: hidden),
        try linear(.attentionKey, .attentionKeyBias, layer, rows: keys, columns: hidden),
        try linear(.attentionValue, .attentionValueBias, layer, rows: values, columns: hidden)
      )
    }
    let total = queries + keys + values
    let bias = try optionalVector(.attentionQKVBias, layer, count: total)
    func part(_ rows: Range<Int>) throws(LanguageRuntimeError) -> PreparedLinear {
      PreparedLinear(
        matrix: try matrix(.attentionQKV, layer, rows: total, columns: hidden, part: rows),
        bias: bias.map { $0 + rows.lowerBound })
    }
    return (
      try part(0..<queries), try part(queries..<queries + keys), try part(queries + keys..<total)
    )
  }

  /// One weight per element of a head, shared by the heads; per element of each head (a row for each); or per element
  /// of all heads, which are then normalised together.
  private mutating func headNorm(
    _ role: TensorRole, _ layer: Int, heads: Int, width: Int
  ) throws(LanguageRuntimeError) -> PreparedHeadNorm? {
    guard has(role, layer) else { return nil }
    let isShared = elements(role, layer) == width
    let count = isShared ? width : heads * width
    guard let norm = try optionalNorm(role, nil, layer, count: count) else { return nil }
    let isTogether = !isShared && rows(role, layer) == 1
    return PreparedHeadNorm(
      weight: norm.weight, width: isTogether ? count : width, stride: isShared || isTogether ? 0 : width)
  }

  mutating func latentAttention(
    _ shape: LatentAttention, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> PreparedLatentAttention {
    let queries = shape.heads * (shape.plainWidth + shape.ropeWidth)
    guard let norm = try optionalNorm(.latentKeyValueNorm, nil, layer, count: shape.keyValueRank) else {
      throw .missingTensor(name: TensorRole.latentKeyValueNorm.ggufName(layer: layer) ?? "", path: source.path)
    }
    var queryDown: PreparedMatrix?
    var queryNorm: PreparedNorm?
    if let rank = shape.queryRank {
      queryDown = try matrix(.latentQueryDown, layer, rows: rank, columns: hidden)
      queryNorm = try optionalNorm(.latentQueryNorm, nil, layer, count: rank)
    }
    return PreparedLatentAttention(
      shape: shape, queryDown: queryDown,
      queryNorm: queryNorm,
      query: try matrix(
        queryDown == nil ? .attentionQuery : .latentQueryUp, layer, rows: queries, columns: shape.queryRank ?? hidden),
      keyValueDown: try matrix(
        .latentKeyValueDown, layer, rows: shape.keyValueRank + shape.ropeWidth, columns: hidden),
      keyValueNorm: norm,
      keyUp: try stack(
        .latentKeyUp, layer, copies: shape.heads, rows: shape.keyValueRank, columns: shape.plainWidth),
      valueUp: try stack(
        .latentValueUp, layer, copies: shape.heads, rows: shape.valueWidth, columns: shape.keyValueRank),
      output: try linear(
        .attentionOutput, .attentionOutputBias, layer, rows: hidden, columns: shape.heads * shape.valueWidth))
  }

  /// A dense feed-forward network; gate and up may be the rows of one matrix, gate first (Phi-3).
  mutating func network(
    _ part: FeedForward, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> PreparedNetwork {
    let width = part.width
    let down = try linear(.feedForwardDown, .feedForwardDownBias, layer, rows: hidden, columns: width)
    let fused: TensorRole? =
      has(.feedForwardGateUp, layer)
      ? .feedForwardGateUp : part.isGated && !has(.feedForwardGate, layer) ? .feedForwardUp : nil
    if let fused {
      let bias = try optionalVector(.feedForwardUpBias, layer, count: 2 * width)
      let gate = try matrix(fused, layer, rows: 2 * width, columns: hidden, part: 0..<width)
      let up = try matrix(fused, layer, rows: 2 * width, columns: hidden, part: width..<2 * width)
      return PreparedNetwork(
        gate: PreparedLinear(matrix: gate, bias: bias),
        up: PreparedLinear(matrix: up, bias: bias.map { $0 + width }), down: down)
    }
    var gate: PreparedLinear?
    if part.isGated {
      gate = try linear(.feedForwardGate, .feedForwardGateBias, layer, rows: width, columns: hidden)
    }
    let up = try linear(.feedForwardUp, .feedForwardUpBias, layer, rows: width, columns: hidden)
    return PreparedNetwork(gate: gate, up: up, down: down)
  }

  mutating func experts(
    _ part: FeedForward, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> PreparedExperts {
    PreparedExperts(
      active: part.activeExperts,
      router: try linear(.router, .routerBias, layer, rows: part.experts, columns: hidden),
      correction: try optionalVector(.routerCorrection, layer, count: part.experts),
      routed: try routed(part, layer, hidden: hidden), shared: try shared(part, layer, hidden: hidden),
      sharedGate: try optionalVector(.sharedExpertRouter, layer, count: hidden))
  }

  private mutating func routed(
    _ part: FeedForward, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> [PreparedNetwork] {
    let (count, width) = (part.experts, part.expertWidth)
    let gates = part.isGated ? try stack(.expertGate, layer, copies: count, rows: width, columns: hidden) : []
    let ups = try stack(.expertUp, layer, copies: count, rows: width, columns: hidden)
    let downs = try stack(.expertDown, layer, copies: count, rows: hidden, columns: width)
    let gateBias = try optionalVector(.expertGateBias, layer, count: count * width)
    let upBias = try optionalVector(.expertUpBias, layer, count: count * width)
    let downBias = try optionalVector(.expertDownBias, layer, count: count * hidden)
    return (0..<count).map { expert in
      PreparedNetwork(
        gate: part.isGated
          ? PreparedLinear(matrix: gates[expert], bias: gateBias.map { $0 + expert * width }) : nil,
        up: PreparedLinear(matrix: ups[expert], bias: upBias.map { $0 + expert * width }),
        down: PreparedLinear(matrix: downs[expert], bias: downBias.map { $0 + expert * hidden }))
    }
  }

  private func shared(
    _ part: FeedForward, _ layer: Int, hidden: Int
  ) throws(LanguageRuntimeError) -> PreparedNetwork? {
    let width = part.sharedExpertWidth
    guard width > 0 else { return nil }
    var gate: PreparedLinear?
    if part.isGated {
      gate = PreparedLinear(matrix: try matrix(.sharedExpertGate, layer, rows: width, columns: hidden), bias: nil)
    }
    return PreparedNetwork(
      gate: gate,
      up: PreparedLinear(matrix: try matrix(.sharedExpertUp, layer, rows: width, columns: hidden), bias: nil),
      down: PreparedLinear(matrix: try matrix(.sharedExpertDown, layer, rows: hidden, columns: width), bias: nil))
  }
}
