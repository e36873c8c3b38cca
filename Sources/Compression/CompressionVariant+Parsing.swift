// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension CompressionVariant {
  /// Reads steps joined by `+`, in any case: `Q4_K_M`, `awq4-g128`, `q4_0-imatrix`, `q4_k-pure`, `depth-8+q8_0`.
  ///
  /// - Throws: `.empty`, `.unknownStep` with the nearest spellings, `.badParameter`, `.wrongOrder` for a change
  ///   of shape behind the storage, `.notCombinable`.
  package init(parsing text: String) throws(CompressionError) {
    let words = text.split(separator: "+", omittingEmptySubsequences: false).map(Self.spelling)
    guard words != [Self.originalName] else {
      self = .original
      return
    }
    var steps: [CompressionStep] = []
    for word in words {
      // QLoRA (arXiv 2305.14314) is an adapter beside a base in 4-bit normal-floats.
      if word.hasPrefix("qlora-") { steps.append(.linearLayers(.normalFloat4(isDoubleQuantised: true))) }
      steps.append(try CompressionStep(parsing: word.hasPrefix("qlora-") ? String(word.dropFirst()) : word, in: text))
    }
    self.init(steps)
    try checkOrder()
  }

  /// A step in small letters, but for the name of a student, which may be a path.
  private static func spelling(_ word: Substring) -> String {
    guard let colon = word.firstIndex(of: ":"), word[..<colon].lowercased() == "student" else {
      return word.lowercased()
    }
    return "student" + word[colon...]
  }

  /// - Throws: `.wrongOrder`, `.notCombinable`.
  private func checkOrder() throws(CompressionError) {
    if let place = steps.dropFirst().firstIndex(where: { if case .student = $0 { true } else { false } }) {
      throw .notCombinable(
        step: steps[place].name, with: steps[place - 1].name,
        reason: "a student is another model, which has nothing of what was done to this one")
    }
    var stored: CompressionStep?
    for step in steps {
      if case .structure(let change) = step {
        if let stored, !change.mayFollowStorage { throw .wrongOrder(step: step.name, after: stored.name) }
      } else {
        try checkStoredOnce(step, after: stored)
        stored = step
      }
    }
    let factors = structure.first { if case .lowRank = $0 { true } else { false } }
    if let factors, let stored, case .linearLayers(.sparse) = stored {
      throw .notCombinable(
        step: stored.name, with: factors.name, reason: "the thin factors are dense, and zeros in them save nothing more"
      )
    }
  }

  /// - Throws: `.notCombinable` for a second way to store the weights; floats before it are what it starts from.
  private func checkStoredOnce(_ step: CompressionStep, after former: CompressionStep?) throws(CompressionError) {
    guard let former else { return }
    switch former {
    case .student, .uniform(.f32), .uniform(.f16), .uniform(.bf16): return
    default: break
    }
    throw .notCombinable(
      step: step.name, with: former.name,
      reason: "each says how the weights are stored, and the second would replace the first or add its loss to it")
  }
}

extension CompressionStep {
  fileprivate init(parsing word: String, in text: String) throws(CompressionError) {
    guard !word.isEmpty else { throw .empty(variant: text) }
    if let mixture = GGUFMixture(rawValue: word) {
      self = .mixture(mixture, hasImportanceMatrix: mixture.needsImportanceMatrix)
    } else if let format = Self.uniformFormat(word) {
      self = .uniform(format)
    } else if let mixture = Self.mixtureWithMatrix(word) {
      // Where the recipe does not depend on a matrix, both spellings are the same variant.
      let matters = mixture.dependsOnImportanceMatrix || mixture.needsImportanceMatrix
      self = .mixture(mixture, hasImportanceMatrix: matters)
    } else if let step = try StructuralStep(parsing: word) {
      self = .structure(step)
    } else if let format = try Self.linearFormat(word, in: text) {
      self = .linearLayers(format)
    } else if word.hasPrefix("student:") {
      guard word.count > "student:".count else {
        throw .badParameter(step: word, expected: "a model's name or path, such as student:TinyLlama-1.1B")
      }
      self = .student(model: String(word.dropFirst("student:".count)))
    } else if let known = CompressionVariant.notOffered.first(where: { "\(word)-".hasPrefix("\($0.family)-") }) {
      throw .notOffered(step: word, reason: known.reason)
    } else {
      throw .unknownStep(step: word, suggestions: Self.nearest(to: word))
    }
  }

  private static func uniformFormat(_ word: String) -> BlockFormat? {
    let aliases = ["fp16": "f16", "fp32": "f32"]
    let name = word.hasSuffix("-pure") ? String(word.dropLast(5)) : aliases[word] ?? word
    guard let format = BlockFormat(rawValue: name) else { return nil }
    switch format {
    case .f64, .i8, .i16, .i32, .i64: return nil
    default: return format
    }
  }

  private static func mixtureWithMatrix(_ word: String) -> GGUFMixture? {
    guard word.hasSuffix("-imatrix"), let mixture = GGUFMixture(rawValue: String(word.dropLast(8))) else { return nil }
    return mixture
  }

  /// `awq4-g128`, `gptq4-g128` (group 128 when left out; `-row` for whole rows, `-act` for columns in the order of their
  /// activations), `nf4`, `nf4-dq`, `fp4`, `fp4-dq`, `int8`, `w8a8`, `fp8`, `fp8-block`.
  private static func linearFormat(_ word: String, in text: String) throws(CompressionError) -> StorageFormat? {
    switch word {
    case "nf4": return .normalFloat4(isDoubleQuantised: false)
    case "nf4-dq": return .normalFloat4(isDoubleQuantised: true)
    case "fp4": return .float4(isDoubleQuantised: false)
    case "fp4-dq": return .float4(isDoubleQuantised: true)
    case "int8": return .int8PerRow
    case "w8a8": return .int8PerChannel
    case "fp8": return .float8PerTensor
    case "fp8-block": return .float8PerBlock
    default: break
    }
    if word.hasPrefix("sparse-") { return .sparse(try sparsePattern(word)) }
    var parts = word.split(separator: "-", omittingEmptySubsequences: false)
    let isAWQ = word.hasPrefix("awq")
    guard isAWQ || word.hasPrefix("gptq"), let bitsText = parts.first?.dropFirst(isAWQ ? 3 : 4) else { return nil }
    let allowedBits: [UInt8] = isAWQ ? [4] : [2, 3, 4, 8]
    guard let bits = UInt8(bitsText), allowedBits.contains(bits) else {
      throw .badParameter(step: word, expected: isAWQ ? "awq4" : "gptq2, gptq3, gptq4 or gptq8")
    }
    let actOrder = !isAWQ && parts.last == "act"
    if actOrder { parts.removeLast() }
    let group = try group(parts, word)
    return isAWQ ? .awq(bits: bits, group: group) : .gptq(bits: bits, group: group, actOrder: actOrder)
  }

  /// `sparse-0.5` takes half of the weights away, `sparse-2:4` two of every four.
  private static func sparsePattern(_ word: String) throws(CompressionError) -> SparsePattern {
    let text = word.dropFirst("sparse-".count)
    if let removed = Thousandths.parse(text) { return .unstructured(keptPermille: UInt16(1000 - removed)) }
    let numbers = text.split(separator: ":", omittingEmptySubsequences: false).compactMap { UInt8($0) }
    guard numbers.count == 2, numbers[0] > 0, numbers[0] < numbers[1], [4, 8, 16].contains(numbers[1]) else {
      throw .badParameter(step: word, expected: "a fraction such as sparse-0.5, or a pattern such as sparse-2:4")
    }
    return .structured(kept: numbers[0], of: numbers[1])
  }

  private static func group(_ parts: [Substring], _ word: String) throws(CompressionError) -> UInt16 {
    guard parts.count > 1 else { return 128 }
    if parts.count == 2, parts[1] == "row" { return 0 }
    guard parts.count == 2, parts[1].first == "g", let group = UInt16(parts[1].dropFirst()),
      [32, 64, 128, 256].contains(group)
    else { throw .badParameter(step: word, expected: "a group of -g32, -g64, -g128 or -g256, or -row") }
    return group
  }

  /// The offered names that share the longest beginning with the word, at most three.
  private static func nearest(to word: String) -> [String] {
    let scored = CompressionVariant.offered.map { variant in
      (name: variant.name, score: zip(variant.name, word).prefix { $0 == $1 }.count)
    }
    guard let best = scored.map(\.score).max(), best > 1 else { return [] }
    return scored.filter { $0.score == best }.prefix(3).map(\.name)
  }
}
