// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Evidence
internal import LanguageModel

/// The variants of a study, and what their files are called.
enum StudyPlan {
  static func entries(
    for model: LanguageModelDescription, besides extra: [CompressionVariant], _ training: StudyTraining?
  ) throws -> [Study.Entry] {
    let group = largestGroup(model)
    let depth = max(1, model.architecture.layers.count / 4)
    let formats = ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"]
    var entries = [Study.Entry(label: "reference", variant: CompressionVariant.original.name, file: "")]
    entries += try formats.map { try entry($0) }
    entries += [
      try entry("awq4-g\(group)", label: "4 bits, groups of \(group), to the nearest", nearest: true),
      try entry("awq4-g\(group)", label: "AWQ, 4 bits, groups of \(group)"),
      try entry("gptq4-g\(group)", label: "GPTQ, 4 bits, groups of \(group)"),
      try entry("nf4-dq", label: "NF4, doubly quantised"),
      try entry("sparse-2:4", label: "2:4 by Wanda", pruneBy: .wanda),
      try entry("sparse-2:4", label: "2:4 by SparseGPT"),
      try entry("sparse-0.5", label: "half of the weights by Wanda", pruneBy: .wanda),
      try entry("sparse-0.5", label: "half of the weights by SparseGPT"),
      try entry("svd-0.5", label: "half of the weights by whitened SVD"),
      try entry("width-0.3", label: "three tenths of heads and channels removed"),
      try entry("depth-\(depth)", label: "\(depth) layers removed"),
      try entry("depth-\(depth)+awq4-g\(group)", label: "\(depth) layers removed, AWQ"),
      try entry("depth-\(depth)+lora-16-merged", label: "\(depth) layers removed, LoRA"),
      try entry("depth-\(depth)+lora-16-merged+awq4-g\(group)", label: "\(depth) layers removed, LoRA, AWQ"),
      try entry("lora-16-merged", label: "LoRA on the whole model (control)"),
      try entry("qlora-16", label: "QLoRA (NF4 and an adapter)"),
    ]
    return entries + (try students(training?.seeds ?? 1)) + (try extra.map { try entry($0.name) })
  }

  private static func students(_ seeds: Int) throws -> [Study.Entry] {
    try (1...max(1, seeds)).flatMap { seed in
      try [true, false].map { hasTeacher in
        try entry(
          "student:half", label: "student of half the layers, \(hasTeacher ? "distilled" : "alone"), seed \(seed)",
          Study.Training(seed: UInt64(seed), hasTeacher: hasTeacher))
      }
    }
  }

  private static func entry(
    _ name: String, label: String? = nil, nearest: Bool = false, pruneBy: SparsityCriterion? = nil,
    _ training: Study.Training? = nil
  ) throws -> Study.Entry {
    let steps = try CompressionVariant(parsing: name).steps
    let trained = steps.contains(where: \.isTrained) ? training ?? Study.Training(seed: 1) : nil
    var (file, adapter) = (steps[...], String?.none)
    if case .structure(.adapter) = steps.last {
      file = steps.dropLast()
      adapter = adapterName(steps, trained)
    }
    let method = nearest ? "nearest" : pruneBy?.rawValue
    return Study.Entry(
      label: label ?? name, variant: name, file: self.file(file, trained, method: method), adapter: adapter,
      training: trained, roundsToNearest: nearest, pruneBy: pruneBy?.rawValue)
  }

  /// The file of a variant; empty for the model as given.
  ///
  /// - Parameter method: names how it was made, where not as usual.
  static func file(
    _ steps: ArraySlice<CompressionStep>, _ training: Study.Training?, method: String? = nil
  ) -> String {
    guard !steps.isEmpty else { return "" }
    return stem(steps, training) + (method.map { "-" + $0 } ?? "")
      + (CompressionVariant(Array(steps)).isFolder ? "" : ".gguf")
  }

  /// Beside a GGUF file a GGUF adapter, beside a checkpoint one in PEFT's layout.
  static func adapterName(_ steps: [CompressionStep], _ training: Study.Training?) -> String {
    let isFolder = CompressionVariant(steps.dropLast()).isFolder
    return stem(steps[...], training) + (isFolder ? "-adapter" : "-adapter.gguf")
  }

  private static func stem(_ steps: ArraySlice<CompressionStep>, _ training: Study.Training?) -> String {
    let words = steps.map { step -> String in
      guard case .student = step else { return step.name }
      return "student-\(training?.hasTeacher == true ? "distilled" : "alone")"
    }
    let name = words.joined(separator: "+").map { $0 == ":" ? "of" : String($0) }.joined()
    guard let training, steps.contains(where: \.isTrained) else { return name }
    let isStudent = CompressionVariant(Array(steps)).student != nil
    return training.seed > 1 || isStudent ? "\(name)-s\(training.seed)" : name
  }

  /// The largest usual group that divides the inputs of all matrices.
  private static func largestGroup(_ model: LanguageModelDescription) -> Int {
    let columns = model.inventory.tensors.filter(\.isLinearLayer).map { Int($0.columns) }
    return [128, 64, 32].first { group in columns.allSatisfy { $0 % group == 0 } } ?? 32
  }
}

extension CompressionStep {
  /// Whether only training gives it.
  var isTrained: Bool {
    switch self {
    case .student, .structure(.mergedAdapter), .structure(.adapter): true
    case .structure, .mixture, .uniform, .linearLayers: false
    }
  }
}

extension CompressionVariant {
  /// Whether GGUF has no type for it, so that it is a checkpoint's folder.
  fileprivate var isFolder: Bool {
    guard case .linearLayers(let format) = storage else { return false }
    switch format {
    case .awq(4, _), .gptq(4, _, actOrder: false), .sparse: return false
    default: return true
    }
  }
}
