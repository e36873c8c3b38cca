// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel

/// A low-rank adapter on disk (LoRA, arXiv 2106.09685): for some matrices two thin ones, whose product is added.
///
/// - Source: the file layouts of PEFT (`adapter_config.json`, `adapter_model.safetensors`) and of GGUF adapters.
package struct AdapterFile: Sendable {
  /// W + outer · inner; what the adapter multiplies with is in `outer`.
  struct Pair: Sendable {
    var rows: Int
    var columns: Int
    var rank: Int
    var inner: [Float]  // (rank, columns)
    var outer: [Float]  // (rows, rank)
  }

  struct Place: Hashable, Sendable {
    var role: TensorRole
    var layer: Int16
  }

  package let path: String
  /// Whether its matrices are those of a GGUF file, which orders the rows of some differently.
  let isGGUF: Bool
  var pairs: [Place: Pair] = [:]

  /// Opens a folder with `adapter_config.json`, the safetensors in one, or a GGUF adapter.
  ///
  /// - Throws: `ModelFileError`.
  package static func open(_ path: String) throws(ModelFileError) -> AdapterFile {
    if FileSystem.isFolder(path) { return try peft(path, folder: path, file: path + "/adapter_model.safetensors") }
    if path.hasSuffix(".safetensors") {
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
      return try peft(path, folder: folder, file: path)
    }
    return try gguf(path)
  }

  private static func gguf(_ path: String) throws(ModelFileError) -> AdapterFile {
    let file = try GGUFFile(path: path)
    let metadata = file.header.metadata
    guard metadata.string("general.type") == "adapter", metadata.string("adapter.type") == "lora" else {
      throw .notAModel(path: path, reason: "it is no adapter: general.type is not 'adapter' of the type 'lora'")
    }
    var adapter = AdapterFile(path: path, isGGUF: true)
    let alpha = metadata.number("adapter.lora.alpha")
    try adapter.add(file, inner: ".lora_a", outer: ".lora_b", parse: { TensorRole.parse(ggufName: $0) }) { _, rank in
      (alpha ?? Double(rank)) / Double(rank)
    }
    return adapter
  }

  private static func peft(_ path: String, folder: String, file: String) throws(ModelFileError) -> AdapterFile {
    let settingsPath = folder + "/adapter_config.json"
    let settings = try FileSystem.json(settingsPath, limit: FileSystem.configurationLimit)
    guard settings["peft_type"]?.stringValue ?? "LORA" == "LORA", settings["use_dora"]?.boolValue != true else {
      throw .notAModel(path: settingsPath, reason: "only plain LoRA adapters are read")
    }
    let files = try SafetensorsFiles(path: file, files: [file])
    let names = HuggingFaceNames(files.inventory.fileNames)
    let rule = PEFTScale(settings)
    var adapter = AdapterFile(path: path, isGGUF: false)
    try adapter.add(files, inner: ".lora_A", outer: ".lora_B", parse: { names.parse($0) }, scale: rule.scale)
    return adapter
  }

  private init(path: String, isGGUF: Bool) {
    self.path = path
    self.isGGUF = isGGUF
  }

  /// Takes every pair of a file; a tensor that belongs to none is refused.
  private mutating func add(
    _ source: any WeightSource, inner: String, outer: String, parse: (String) -> (role: TensorRole, layer: Int),
    scale: (_ name: String, _ rank: Int) -> Double
  ) throws(ModelFileError) {
    let names = Dictionary(
      uniqueKeysWithValues: source.inventory.fileNames.enumerated().map { (Self.plainName($0.element), $0.offset) })
    for (name, index) in names where !name.hasSuffix(outer) {
      guard name.hasSuffix(inner), let other = names[name.dropLast(inner.count) + outer] else {
        throw .notAModel(path: path, reason: "its tensor '\(name)' is not one of a low-rank pair of a matrix")
      }
      let matrix = String(name.dropLast(inner.count))
      let place = parse(matrix.hasSuffix(".weight") ? matrix : matrix + ".weight")
      guard place.role != .other else {
        throw .notAModel(path: path, reason: "nothing is known of its matrix '\(matrix)'")
      }
      let (a, b) = (source.inventory.tensors[index], source.inventory.tensors[other])
      guard a.rows == b.columns, a.rows > 0 else {
        throw .notAModel(path: path, reason: "the pair of '\(matrix)' has ranks \(a.rows) and \(b.columns)")
      }
      let factor = Float(scale(matrix, Int(a.rows)))
      pairs[Place(role: place.role, layer: Int16(clamping: place.layer))] = Pair(
        rows: Int(b.rows), columns: Int(a.columns), rank: Int(a.rows), inner: try values(source, index),
        outer: try values(source, other).map { $0 * factor })
    }
    guard !pairs.isEmpty else { throw .notAModel(path: path, reason: "it holds no low-rank pairs") }
  }

  /// Without what PEFT puts around a name.
  private static func plainName(_ name: String) -> String {
    var text = name.hasPrefix("base_model.model.") ? String(name.dropFirst("base_model.model.".count)) : name
    for suffix in [".default.weight", ".weight"] where text.hasSuffix(suffix) && text.contains(".lora_") {
      text = String(text.dropLast(suffix.count))
      break
    }
    return text
  }

  private func values(_ source: any WeightSource, _ index: Int) throws(ModelFileError) -> [Float] {
    let tensor = source.inventory.tensors[index]
    guard case .block(let format) = tensor.format, [.f32, .f16, .bf16].contains(format),
      let address = source.bytes(ofTensor: index).baseAddress
    else {
      throw .malformed(
        path: path, at: .tensor(source.inventory.fileNames[index], offset: nil),
        .wrongType(found: tensor.format.name, expected: "floats of 16 or 32 bits"))
    }
    let numbers = Numbers(address: address, format: format)
    return withExtendedLifetime(source) { (0..<tensor.elements).map { numbers[$0] } }
  }
}

/// What PEFT multiplies a pair with: alpha over the rank, or over its root.
private struct PEFTScale {
  private let alpha: Double
  private let alphas: [(pattern: String, alpha: Double)]
  private let usesRoot: Bool

  init(_ settings: JSON) {
    alpha = settings["lora_alpha"]?.doubleValue ?? 8
    usesRoot = settings["use_rslora"]?.boolValue ?? false
    alphas = (settings["alpha_pattern"]?.members ?? []).compactMap { member in
      member.value.doubleValue.map { (member.key, $0) }
    }
  }

  func scale(_ name: String, _ rank: Int) -> Double {
    let own = alphas.first { name == $0.pattern || name.hasSuffix("." + $0.pattern) }?.alpha ?? alpha
    return usesRoot ? own / Double(rank).squareRoot() : own / Double(rank)
  }
}
