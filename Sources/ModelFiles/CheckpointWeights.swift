// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import LanguageModel

/// A checkpoint whose matrices are quantised: those that its files spread over several tensors are one tensor here.
package final class CheckpointWeights: WeightSource {
  package let inventory: TensorInventory
  private let files: SafetensorsFiles
  private let places: [Place]

  private enum Place: Sendable {
    case plain(Int)
    case packed(PackedMatrix)
  }

  /// The files themselves where the configuration beside them names no quantisation.
  ///
  /// - Throws: `ModelFileError` for a quantisation that nothing here reads, and for parts that do not fit together.
  package static func reading(
    _ files: SafetensorsFiles, configuration path: String
  ) throws(ModelFileError) -> any WeightSource {
    let json = try FileSystem.json(path, limit: FileSystem.configurationLimit)
    guard let layout = try CheckpointLayout(configuration: json, path: path) else { return files }
    return try CheckpointWeights(files, layout: layout)
  }

  init(_ files: SafetensorsFiles, layout: CheckpointLayout) throws(ModelFileError) {
    self.files = files
    let parts = CheckpointParts(files)
    let roles = HuggingFaceNames(files.inventory.fileNames)
    var list: [TensorDescription] = []
    var names: [String] = []
    var places: [Place] = []
    for (index, name) in files.inventory.fileNames.enumerated() where !layout.isPart(name, parts) {
      let matrices = try PackedMatrix.all(name, layout, parts, roles)
      if matrices.isEmpty {
        names.append(layout.matrixName(name))
        list.append(files.inventory.tensors[index])
        places.append(.plain(index))
      }
      for (wholeName, role, layer, matrix) in matrices {
        names.append(wholeName)
        list.append(
          TensorDescription(
            role, layer: layer, rows: matrix.rows, columns: matrix.columns, copies: matrix.copies,
            format: matrix.format))
        places.append(.packed(matrix))
      }
    }
    inventory = TensorInventory(tensors: list, fileNames: names)
    self.places = places
  }

  package var path: String { files.path }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    guard case .plain(let place) = places[index] else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return files.bytes(ofTensor: place)
  }

  package func prefetch(tensor index: Int) {
    for part in parts(index) { files.prefetch(tensor: part) }
  }

  package func mapSparsely(tensor index: Int) {
    for part in parts(index) { files.mapSparsely(tensor: part) }
  }

  package func discard(tensor index: Int, bytes range: Range<Int>) {
    switch places[index] {
    case .plain(let place): files.discard(tensor: place, bytes: range)
    case .packed(let matrix):
      for part in matrix.parts { files.discard(tensor: part, bytes: 0..<files.bytes(ofTensor: part).count) }
    }
  }

  package func isPacked(tensor index: Int) -> Bool {
    if case .packed = places[index] { true } else { false }
  }

  package func copyRows(_ rows: Range<Int>, ofTensor index: Int, to blocks: UnsafeMutableRawPointer) {
    guard case .packed(let matrix) = places[index], let writer = RuntimeRowWriter(matrix) else { return }
    for (place, row) in rows.enumerated() { writer.write(row, to: blocks + place * writer.rowBytes) }
  }

  package func inputOrder(ofTensor index: Int) -> [Int32] {
    guard case .packed(let matrix) = places[index] else { return [] }
    return matrix.order
  }

  private func parts(_ index: Int) -> [Int] {
    switch places[index] {
    case .plain(let place): [place]
    case .packed(let matrix): matrix.parts
    }
  }
}

/// Finds tensors by name, with their bytes and shapes.
struct CheckpointParts {
  let files: SafetensorsFiles
  private let places: [String: Int]

  init(_ files: SafetensorsFiles) {
    self.files = files
    places = Dictionary(
      uniqueKeysWithValues: files.inventory.fileNames.enumerated().map { ($0.element, $0.offset) })
  }

  func index(_ name: String) -> Int? { places[name] }
  func has(_ name: String) -> Bool { places[name] != nil }
  func tensor(_ index: Int) -> TensorDescription { files.inventory.tensors[index] }
  func bytes(_ index: Int) -> UnsafeRawBufferPointer { files.bytes(ofTensor: index) }
}

extension CheckpointLayout {
  private static let levelStates = ["bitsandbytes__nf4", "bitsandbytes__fp4"]

  /// Whether the tensor is read together with the matrix that it belongs to.
  func isPart(_ name: String, _ parts: CheckpointParts) -> Bool {
    func belongs(_ suffixes: [String], to matrix: String) -> Bool {
      suffixes.contains { name.hasSuffix($0) && parts.has(name.dropLast($0.count) + matrix) }
    }
    switch self {
    case .awq, .gptq: return belongs([".qzeros", ".scales", ".g_idx"], to: ".qweight")
    case .fourBitLevels:
      let suffixes = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"]
      return belongs(suffixes + Self.levelStates.map { ".quant_state.\($0)" }, to: "")
    case .microscaledExperts: return belongs([Self.microscaledScales], to: Self.microscaledBlocks)
    case .bitmask: return belongs([".bitmask", ".shape", ".row_offsets"], to: ".compressed")
    case .int8Rows: return belongs([".SCB", ".weight_format"], to: ".weight")
    case .scaled:
      return belongs([".weight_scale", ".weight_scale_inv", ".input_scale", ".weight_zero_point"], to: ".weight")
    }
  }

  /// The name that the matrix would have in a checkpoint of floats.
  func matrixName(_ name: String) -> String {
    if self == .microscaledExperts, name.hasSuffix(Self.microscaledBlocks) {
      return String(name.dropLast(Self.microscaledBlocks.count))
    }
    for suffix in [".qweight", ".compressed"] where name.hasSuffix(suffix) {
      return name.dropLast(suffix.count) + ".weight"
    }
    return name
  }

  /// The JSON text beside a matrix of levels.
  static func levelState(of name: String, _ parts: CheckpointParts) -> Int? {
    levelStates.lazy.compactMap { parts.index("\(name).quant_state.\($0)") }.first
  }
}
