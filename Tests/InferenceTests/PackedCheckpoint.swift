// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import TestSupport

/// A small llama in a folder, its matrices laid out as a library lays them out, and the floats that they stand for.
struct PackedCheckpoint {
  struct Part {
    var name: String
    var type: String
    var shape: [Int]
    var bytes: [UInt8]
  }

  /// The parts of one matrix, and its values row by row.
  typealias Packer = (_ name: String, _ rows: Int, _ columns: Int, inout SeededRandom) -> (parts: [Part], [Float])

  let folder: URL
  let plainFolder: URL

  /// - Parameters:
  ///   - settings: the text of `quantization_config`.
  ///   - outlier: the attention norm's weight at column 7, where it is far from one.
  init(settings: String, outlier: Float? = nil, pack: Packer) throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    folder = root.appendingPathComponent("packed")
    plainFolder = root.appendingPathComponent("plain")
    for url in [folder, plainFolder] {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    var random = SeededRandom(seed: 4)
    var common: [Part] = []
    func add(_ name: String, _ shape: [Int], _ value: (Float) -> Float) {
      let values = (0..<shape.reduce(1, *)).map { _ in value(Float.random(in: -1...1, using: &random)) }
      common.append(Part(name: name, type: "F32", shape: shape, bytes: floats(values)))
    }
    add("model.embed_tokens.weight", [64, 128]) { $0 }
    add("lm_head.weight", [64, 128]) { $0 / 8 }
    add("model.norm.weight", [128]) { 1 + $0 / 16 }
    add("model.layers.0.input_layernorm.weight", [128]) { 1 + $0 / 16 }
    add("model.layers.0.post_attention_layernorm.weight", [128]) { 1 + $0 / 16 }
    if let outlier, let norm = common.firstIndex(where: { $0.name.hasSuffix("input_layernorm.weight") }) {
      common[norm].bytes.replaceSubrange(28..<32, with: floats([outlier]))
    }
    var (packed, plain) = (common, common)
    for (name, rows, columns) in Self.matrices {
      let full = "model.layers.0.\(name)"
      let (parts, values) = pack(full, rows, columns, &random)
      packed += parts
      plain.append(Part(name: full + ".weight", type: "F32", shape: [rows, columns], bytes: floats(values)))
    }
    try Self.write(packed, Self.configuration(settings), to: folder)
    try Self.write(plain, Self.configuration(nil), to: plainFolder)
  }

  func remove() { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent()) }

  private static let matrices = [
    ("self_attn.q_proj", 128, 128), ("self_attn.k_proj", 64, 128), ("self_attn.v_proj", 64, 128),
    ("self_attn.o_proj", 128, 128), ("mlp.gate_proj", 256, 128), ("mlp.up_proj", 256, 128),
    ("mlp.down_proj", 128, 256),
  ]

  private static func configuration(_ settings: String?) -> String {
    """
    {"model_type":"llama","hidden_size":128,"intermediate_size":256,"num_hidden_layers":1,"num_attention_heads":4,
    "num_key_value_heads":2,"vocab_size":64,"max_position_embeddings":64,"rms_norm_eps":1e-05,"rope_theta":10000.0,
    "tie_word_embeddings":false,"torch_dtype":"float16"\(settings.map { ",\"quantization_config\":\($0)" } ?? "")}
    """
  }

  private static func write(_ parts: [Part], _ configuration: String, to folder: URL) throws {
    try Data(configuration.utf8).write(to: folder.appendingPathComponent("config.json"))
    try Data(safetensors(parts)).write(to: folder.appendingPathComponent("model.safetensors"))
  }

  static func safetensors(_ parts: [Part]) -> [UInt8] {
    var offset = 0
    let entries = parts.map { part in
      defer { offset += part.bytes.count }
      let end = offset + part.bytes.count
      return "\"\(part.name)\":{\"dtype\":\"\(part.type)\",\"shape\":\(part.shape),\"data_offsets\":[\(offset),\(end)]}"
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header + parts.flatMap(\.bytes)
  }
}

func floats(_ values: [Float]) -> [UInt8] {
  values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
}
func halves(_ values: [Float]) -> [UInt8] {
  values.flatMap { withUnsafeBytes(of: Float16($0).bitPattern.littleEndian, Array.init) }
}
func words(_ values: [UInt32]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) } }

extension PackedCheckpoint {
  /// Random scales that a half holds exactly.
  private static func scales(_ count: Int, _ random: inout SeededRandom) -> [Float] {
    (0..<count).map { _ in Float(Float16(Float.random(in: 0.005...0.02, using: &random))) }
  }

  /// AutoAWQ: eight outputs to a word, in the order 0, 2, 4, 6, 1, 3, 5, 7 from the low nibble up.
  static func awq(group: Int) -> Packer {
    { name, rows, columns, random in
      let groups = columns / group
      let codes = (0..<rows * columns).map { _ in UInt32.random(in: 0...15, using: &random) }
      let zeros = (0..<groups * rows).map { _ in UInt32.random(in: 0...15, using: &random) }
      let scales = scales(groups * rows, &random)
      func packed(_ lines: Int, _ code: (_ line: Int, _ output: Int) -> UInt32) -> [UInt32] {
        (0..<lines * rows / 8).map { index in
          let (line, first) = (index / (rows / 8), index % (rows / 8) * 8)
          return [0, 2, 4, 6, 1, 3, 5, 7].enumerated().reduce(0) { word, place in
            word | code(line, first + place.element) << UInt32(4 * place.offset)
          }
        }
      }
      let parts = [
        Part(
          name: name + ".qweight", type: "I32", shape: [columns, rows / 8],
          bytes: words(packed(columns) { codes[$1 * columns + $0] })),
        Part(
          name: name + ".qzeros", type: "I32", shape: [groups, rows / 8],
          bytes: words(packed(groups) { zeros[$0 * rows + $1] })),
        Part(name: name + ".scales", type: "F16", shape: [groups, rows], bytes: halves(scales)),
      ]
      let values = codes.indices.map { index in
        let place = index % columns / group * rows + index / columns
        return scales[place] * Float(Int(codes[index]) - Int(zeros[place]))
      }
      return (parts, values)
    }
  }

  /// A stream of codes from the lowest bit of the first word up.
  private static func stream(_ codes: [UInt32], bits: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: (codes.count * bits + 31) / 32)
    for (index, code) in codes.enumerated() {
      for bit in 0..<bits where code >> UInt32(bit) & 1 == 1 {
        let place = index * bits + bit
        words[place / 32] |= 1 << UInt32(place % 32)
      }
    }
    return words
  }

  /// AutoGPTQ: the codes of one output's inputs are a stream of words, a row of the file apart; zero points less one.
  static func gptq(bits: Int, group: Int, actOrder: Bool = false, zeroOffset: Int = 1) -> Packer {
    { name, rows, columns, random in
      let groups = columns / group
      var groupOf = (0..<columns).map { $0 / group }
      if actOrder { groupOf.shuffle(using: &random) }
      let top = UInt32(1) << UInt32(bits) - 1
      let codes = (0..<rows * columns).map { _ in UInt32.random(in: 0...top, using: &random) }
      let zeros = (0..<groups * rows).map { _ in UInt32.random(in: 1...top, using: &random) }
      let scales = scales(groups * rows, &random)
      let streams = (0..<rows).map { stream(Array(codes[$0 * columns..<($0 + 1) * columns]), bits: bits) }
      let zeroStreams = (0..<groups).map { line in
        stream(zeros[line * rows..<(line + 1) * rows].map { $0 - UInt32(zeroOffset) }, bits: bits)
      }
      let lines = columns * bits / 32
      let parts = [
        Part(
          name: name + ".qweight", type: "I32", shape: [lines, rows],
          bytes: words((0..<lines * rows).map { streams[$0 % rows][$0 / rows] })),
        Part(
          name: name + ".qzeros", type: "I32", shape: [groups, rows * bits / 32],
          bytes: words(zeroStreams.flatMap { $0 })),
        Part(name: name + ".scales", type: "F16", shape: [groups, rows], bytes: halves(scales)),
        Part(name: name + ".g_idx", type: "I32", shape: [columns], bytes: words(groupOf.map(UInt32.init))),
      ]
      let values = codes.indices.map { index in
        let place = groupOf[index % columns] * rows + index / columns
        return scales[place] * Float(Int(codes[index]) - Int(zeros[place]))
      }
      return (parts, values)
    }
  }

  /// bitsandbytes in four bits: the first code of a byte in its high half, an absmax per 64.
  static func levels(isNormal: Bool, isDouble: Bool) -> Packer {
    { name, rows, columns, random in
      let count = rows * columns
      let levels = isNormal ? FourBitLevels.normal : FourBitLevels.float
      let type = isNormal ? "nf4" : "fp4"
      let codes = (0..<count).map { _ in UInt8.random(in: 0...15, using: &random) }
      let blocks = count / 64
      let absmaxCodes = (0..<blocks).map { _ in UInt8.random(in: 0...255, using: &random) }
      let map = (0..<256).map { Float($0 - 128) / 128 }
      let nested = (0..<(blocks + 255) / 256).map { _ in Float.random(in: 0.01...0.05, using: &random) }
      let absmax = absmaxCodes.indices.map { block in
        isDouble ? map[Int(absmaxCodes[block])] * nested[block / 256] + 0.125 : 0.05 + Float(absmaxCodes[block]) / 1000
      }
      var state = "{\"quant_type\":\"\(type)\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[\(rows),\(columns)]"
      state += isDouble ? ",\"nested_blocksize\":256,\"nested_dtype\":\"float32\",\"nested_offset\":0.125}" : "}"
      let full = name + ".weight"
      var parts = [
        Part(
          name: full, type: "U8", shape: [count / 2, 1],
          bytes: (0..<count / 2).map { codes[2 * $0] << 4 | codes[2 * $0 + 1] }),
        Part(name: full + ".quant_map", type: "F32", shape: [16], bytes: floats(levels)),
        Part(
          name: full + ".quant_state.bitsandbytes__\(type)", type: "U8", shape: [state.utf8.count],
          bytes: Array(state.utf8)),
      ]
      if isDouble {
        parts += [
          Part(name: full + ".absmax", type: "U8", shape: [blocks], bytes: absmaxCodes),
          Part(name: full + ".nested_absmax", type: "F32", shape: [nested.count], bytes: floats(nested)),
          Part(name: full + ".nested_quant_map", type: "F32", shape: [256], bytes: floats(map)),
        ]
      } else {
        parts.append(Part(name: full + ".absmax", type: "F32", shape: [blocks], bytes: floats(absmax)))
      }
      return (parts, codes.indices.map { absmax[$0 / 64] * levels[Int(codes[$0])] })
    }
  }

  /// A byte per element with scales of one of four kinds.
  enum ByteLayout { case int8Rows, channels, tensor, squares }

  static func bytes(_ layout: ByteLayout) -> Packer {
    { name, rows, columns, random in
      let isFloat = layout == .tensor || layout == .squares
      let codes = (0..<rows * columns).map { _ -> UInt8 in
        let code = UInt8.random(in: 0...255, using: &random)
        return isFloat && code & 0x7F == 0x7F ? 0 : code
      }
      let (lines, places) = ((rows + 127) / 128, (columns + 127) / 128)
      let count = layout == .tensor ? 1 : layout == .squares ? lines * places : rows
      let scales = (0..<count).map { _ in Float.random(in: 0.0005...0.001, using: &random) }
      let full = name + ".weight"
      let codePart = Part(name: full, type: isFloat ? "F8_E4M3" : "I8", shape: [rows, columns], bytes: codes)
      let scalePart =
        switch layout {
        case .int8Rows: Part(name: name + ".SCB", type: "F32", shape: [rows], bytes: floats(scales.map { $0 * 127 }))
        case .channels: Part(name: full + "_scale", type: "F32", shape: [rows, 1], bytes: floats(scales))
        case .tensor: Part(name: full + "_scale", type: "F32", shape: [1], bytes: floats(scales))
        case .squares: Part(name: full + "_scale_inv", type: "F32", shape: [lines, places], bytes: floats(scales))
        }
      let values = codes.indices.map { index in
        let (row, column) = (index / columns, index % columns)
        let scale = scales[layout == .tensor ? 0 : layout == .squares ? row / 128 * places + column / 128 : row]
        return scale * (isFloat ? e4m3(codes[index]) : Float(Int8(bitPattern: codes[index])))
      }
      return ([codePart, scalePart], values)
    }
  }

  private static func e4m3(_ code: UInt8) -> Float {
    let (exponent, fraction) = (Int(code >> 3 & 15), Float(code & 7) / 8)
    let magnitude =
      exponent == 0 ? fraction * 0x1p-6 : (1 + fraction) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
    return code < 128 ? magnitude : -magnitude
  }
}
