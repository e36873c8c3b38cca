// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// One tensor of a safetensors file, and how its bytes come.
struct CheckpointPart {
  let name: String
  let element: SafetensorsElement
  let shape: [Int]
  /// All bytes, as one or several pieces.
  let write: (GGUFWriter.Sink) throws -> Void

  init(_ name: String, _ element: SafetensorsElement, _ shape: [Int], write: @escaping (GGUFWriter.Sink) throws -> Void)
  {
    self.name = name
    self.element = element
    self.shape = shape
    self.write = write
  }

  init<Value>(_ name: String, _ element: SafetensorsElement, _ shape: [Int], values: @escaping () -> [Value]) {
    self.init(name, element, shape) { sink in try values().withUnsafeBytes { try sink($0) } }
  }
}

extension GroupPacking {
  /// AutoAWQ's GEMM layout: words of eight outputs, in the order 0 2 4 6 1 3 5 7 from the low bits up.
  ///
  /// - Parameter source: the row here of each row there.
  func awqParts(_ base: String, source: @escaping (Int) -> Int) -> [CheckpointPart] {
    let perWord = 32 / bits
    let order = [0, 2, 4, 6, 1, 3, 5, 7]
    func words(_ lines: Int, _ value: @escaping (_ line: Int, _ row: Int) -> UInt8) -> [Int32] {
      (0..<lines * rows / perWord).map { index in
        let (line, word) = (index / (rows / perWord), index % (rows / perWord))
        var bitsOfWord: UInt32 = 0
        for (place, output) in order.enumerated() {
          bitsOfWord |= UInt32(value(line, source(word * perWord + output))) << UInt32(place * bits)
        }
        return Int32(bitPattern: bitsOfWord)
      }
    }
    return [
      CheckpointPart(base + ".qweight", .i32, [columns, rows / perWord]) {
        words(columns) { codes[$1 * columns + $0] }
      },
      CheckpointPart(base + ".qzeros", .i32, [groups, rows / perWord]) { words(groups) { zeros[$1 * groups + $0] } },
      CheckpointPart(base + ".scales", .f16, [groups, rows]) { scalesByGroup(source) },
    ]
  }

  private func scalesByGroup(_ source: (Int) -> Int) -> [Float16] {
    (0..<groups * rows).map { Float16(scales[source($0 % rows) * groups + $0 / rows]) }
  }

  /// AutoGPTQ's layout: a stream of bits down the inputs of each output; zero points less one.
  func gptqParts(_ base: String, source: @escaping (Int) -> Int) -> [CheckpointPart] {
    let (wordsDown, wordsAcross) = (columns * bits / 32, rows * bits / 32)
    let groupOf = groupOfColumn ?? (0..<columns).map { Int32($0 / group) }
    return [
      CheckpointPart(base + ".qweight", .i32, [wordsDown, rows]) { () -> [Int32] in
        var words = [UInt32](repeating: 0, count: wordsDown * rows)
        for row in 0..<rows {
          for column in 0..<columns {
            put(codes[source(row) * columns + column], at: column * bits) { words[$0 * rows + row] |= $1 }
          }
        }
        return words.map { Int32(bitPattern: $0) }
      },
      CheckpointPart(base + ".qzeros", .i32, [groups, wordsAcross]) { () -> [Int32] in
        var words = [UInt32](repeating: 0, count: groups * wordsAcross)
        for line in 0..<groups {
          for row in 0..<rows {
            put(zeros[source(row) * groups + line] - 1, at: row * bits) { words[line * wordsAcross + $0] |= $1 }
          }
        }
        return words.map { Int32(bitPattern: $0) }
      },
      CheckpointPart(base + ".scales", .f16, [groups, rows]) { scalesByGroup(source) },
      CheckpointPart(base + ".g_idx", .i32, [columns]) { groupOf },
    ]
  }

  /// Puts a code into words of 32 bits; codes of 3 bits may lie across two.
  private func put(_ code: UInt8, at bit: Int, _ set: (_ word: Int, _ bits: UInt32) -> Void) {
    let (word, shift) = (bit / 32, bit % 32)
    set(word, UInt32(code) << UInt32(shift))
    if shift + bits > 32 { set(word + 1, UInt32(code) >> UInt32(32 - shift)) }
  }
}

/// bitsandbytes' four-bit normal-floats: sixteen levels, and a scale per 64 weights.
///
/// - Source: QLoRA, arXiv 2305.14314: the quantiles of a normal distribution, scaled to −1 ... 1.
enum NormalFloats {
  static let levels: [Float] = [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ]
  static let block = 64
  static let nestedBlock = 256

  /// Codes, two to a byte with the first in the high bits, and the largest magnitude of each block.
  static func encode(_ values: [Float]) -> (codes: [UInt8], largest: [Float]) {
    var codes = [UInt8](repeating: 0, count: (values.count + 1) / 2)
    var largest: [Float] = []
    for start in stride(from: 0, to: values.count, by: block) {
      let end = min(start + block, values.count)
      let most = values[start..<end].reduce(0) { max($0, abs($1)) }
      largest.append(most)
      for index in start..<end {
        let code = nearest(most > 0 ? values[index] / most : 0, levels)
        codes[index / 2] |= index % 2 == 0 ? UInt8(code) << 4 : UInt8(code)
      }
    }
    return (codes, largest)
  }

  /// The place of the level that is nearest; of two, the lower one.
  static func nearest(_ value: Float, _ levels: [Float]) -> Int {
    var (low, high) = (0, levels.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if levels[middle] <= value { low = middle } else { high = middle }
    }
    return value - levels[low] <= levels[high] - value ? low : high
  }

  /// The 256 levels by which scales are stored in eight bits: tenfold steps, each twice as fine as the one below.
  static let nestedLevels: [Float] = {
    var levels: [Float] = [0, 1]
    for exponent in 0..<7 {
      let count = 1 << exponent
      let scale = Tens.power(exponent - 6)
      for index in 0..<count {
        let step = 0.9 / Double(count)
        let middle = 0.1 + (Double(index) + 0.5) * step
        levels += [Float(scale * middle), Float(-scale * middle)]
      }
    }
    return levels.sorted()
  }()

  /// Scales less their mean in eight bits, with a largest magnitude per 256 of them.
  static func nest(_ scales: [Float]) -> (codes: [UInt8], largest: [Float], offset: Float) {
    let offset = scales.reduce(0, +) / Float(max(1, scales.count))
    var codes: [UInt8] = []
    var largest: [Float] = []
    for start in stride(from: 0, to: scales.count, by: nestedBlock) {
      let part = scales[start..<min(start + nestedBlock, scales.count)].map { $0 - offset }
      let most = part.reduce(0) { max($0, abs($1)) }
      largest.append(most)
      codes += part.map { UInt8(nearest(most > 0 ? $0 / most : 0, nestedLevels)) }
    }
    return (codes, largest, offset)
  }

  /// - Parameter values: the matrix, row by row.
  static func parts(_ base: String, rows: Int, columns: Int, isDouble: Bool, values: [Float]) -> [CheckpointPart] {
    let name = base + ".weight"
    let (codes, scales) = encode(values)
    var state =
      "{\"quant_type\": \"nf4\", \"blocksize\": \(block), \"dtype\": \"float16\", \"shape\": [\(rows), \(columns)]"
    var parts = [
      CheckpointPart(name, .u8, [codes.count, 1]) { codes },
      CheckpointPart(name + ".quant_map", .f32, [16]) { levels },
    ]
    if isDouble {
      let nested = nest(scales)
      state +=
        ", \"nested_blocksize\": \(nestedBlock), \"nested_dtype\": \"float32\", \"nested_offset\": \(nested.offset)"
      parts += [
        CheckpointPart(name + ".absmax", .u8, [nested.codes.count]) { nested.codes },
        CheckpointPart(name + ".nested_absmax", .f32, [nested.largest.count]) { nested.largest },
        CheckpointPart(name + ".nested_quant_map", .f32, [256]) { nestedLevels },
      ]
    } else {
      parts.append(CheckpointPart(name + ".absmax", .f32, [scales.count]) { scales })
    }
    let text = Array((state + "}").utf8)
    parts.append(CheckpointPart(name + ".quant_state.bitsandbytes__nf4", .u8, [text.count]) { text })
    return parts
  }
}

private enum Tens {
  static func power(_ exponent: Int) -> Double { (0..<abs(exponent)).reduce(1.0) { value, _ in value / 10 } }
}
