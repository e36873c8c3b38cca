// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import Quantities

/// Writes rows of a packed matrix as blocks of its runtime format.
struct RuntimeRowWriter {
  private let matrix: PackedMatrix
  private let format: RuntimeFormat
  let rowBytes: Int

  /// Nil for a format that the runtime does not run.
  init?(_ matrix: PackedMatrix) {
    guard let format = matrix.format.runtimeFormat(columns: matrix.columns) else { return nil }
    self.matrix = matrix
    self.format = format
    rowBytes = Int(format.bytes(rows: 1, columns: matrix.columns).bytes)
  }

  func write(_ row: Int, to blocks: UnsafeMutableRawPointer) {
    switch matrix.codes {
    case .kept(let kept): return kept.write(row, as: format, to: blocks)
    case .microscaled(let experts): return experts.write(row, to: blocks)
    case .awq, .gptq, .levels, .bytes: break
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: matrix.columns) { codes in
      withUnsafeTemporaryAllocation(of: PackedScale.self, capacity: matrix.columns) { scales in
        guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
        matrix.read(row, codes: codes, scales: scales)
        if format == RuntimeFormat(.f16) {
          writeHalves(codes, scales, to: blocks)
        } else {
          for block in 0..<matrix.columns / format.elementsPerBlock {
            let first = block * format.elementsPerBlock
            write(codes + first, scales[first], to: blocks + block * format.bytesPerBlock)
          }
        }
      }
    }
  }

  /// One block, whose columns share a scale.
  private func write(_ codes: UnsafePointer<UInt8>, _ scale: PackedScale, to block: UnsafeMutableRawPointer) {
    let factor: Float = format == .float8 ? 256 : 1
    block.storeBytes(of: Float16(scale.scale * factor), as: Float16.self)
    var out = block + 2
    if RuntimeFormat.int4.contains(format) || RuntimeFormat.uint8.contains(format) {
      out.storeBytes(of: scale.zero, as: UInt8.self)
      out += 1
    }
    let isNibbles =
      RuntimeFormat.int4.contains(format) || format == .normalFloat4 || format == .float4
    guard isNibbles else { return out.copyMemory(from: codes, byteCount: format.elementsPerBlock) }
    // Sixteen columns in the low halves, the next sixteen in the high ones.
    for part in 0..<format.elementsPerBlock / 32 {
      for column in 0..<16 {
        let (low, high) = (codes[part * 32 + column], codes[part * 32 + 16 + column])
        out.storeBytes(of: low | high << 4, toByteOffset: part * 16 + column, as: UInt8.self)
      }
    }
  }

  private func writeHalves(
    _ codes: UnsafePointer<UInt8>, _ scales: UnsafePointer<PackedScale>, to blocks: UnsafeMutableRawPointer
  ) {
    for column in 0..<matrix.columns {
      let value = scales[column].scale * matrix.level(codes[column], zero: scales[column].zero)
      blocks.storeBytes(of: Float16(value), toByteOffset: column * 2, as: Float16.self)
    }
  }
}

/// What a column's code is multiplied with, and the code that stands for zero.
struct PackedScale {
  var scale: Float
  var zero: UInt8
}

extension PackedMatrix {
  /// What a code stands for before its scale.
  func level(_ code: UInt8, zero: UInt8) -> Float {
    switch codes {
    case .awq, .gptq: Float(Int(code) - Int(zero))
    case .levels(_, _, let isNormal): (isNormal ? FourBitLevels.normal : FourBitLevels.float)[Int(code & 15)]
    case .kept, .microscaled: 0
    case .bytes: format == .int8PerRow || format == .int8PerChannel ? Float(Int8(bitPattern: code)) : Self.e4m3(code)
    }
  }

  /// A sign, four bits of exponent with bias 7 and three of fraction.
  private static func e4m3(_ code: UInt8) -> Float {
    Float(Float16(bitPattern: UInt16(code & 0x80) << 8 | UInt16(code & 0x7F) << 7)) * 256
  }

  /// One row's codes and scales (columns each), in the order of the columns.
  func read(_ row: Int, codes out: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<PackedScale>) {
    switch codes {
    case .awq(let words, let zeros, let numbers, let group):
      let place = Self.wordOfAWQ(row)
      let line = rows / 8
      func code(_ address: UnsafeRawPointer, _ index: Int) -> UInt8 {
        UInt8(Self.word(address, index * line + place.word) >> place.shift & 15)
      }
      for column in 0..<columns {
        out[column] = code(words, column)
        scales[column] =
          column % group == 0
          ? PackedScale(scale: numbers[column / group * rows + row], zero: code(zeros, column / group))
          : scales[column - 1]
      }
    case .gptq(let words, let zeros, let numbers, let bits, let group, let zeroOffset):
      let zeroLine = (rows * bits + 31) / 32
      for column in 0..<columns {
        let input = order.isEmpty ? column : Int(order[column])
        out[column] = Self.bits(words + row * 4, at: input * bits, count: bits, stride: rows)
        guard column % group == 0 else {
          scales[column] = scales[column - 1]
          continue
        }
        let zero = Self.bits(zeros + column / group * zeroLine * 4, at: row * bits, count: bits, stride: 1)
        scales[column] = PackedScale(
          scale: numbers[column / group * rows + row], zero: zero &+ UInt8(zeroOffset))
      }
    case .levels(let bytes, let absmax, _):
      for column in 0..<columns {
        let element = row * columns + column
        let byte = bytes.load(fromByteOffset: element / 2, as: UInt8.self)
        out[column] = element % 2 == 0 ? byte >> 4 : byte & 15
        scales[column] = PackedScale(scale: absmax[element / CheckpointLayout.levelBlock], zero: 0)
      }
    // These have no codes: their rows are written as they are.
    case .kept, .microscaled: break
    case .bytes(let bytes, let numbers, let block, let perRow, let factor):
      out.update(from: (bytes + row * columns).assumingMemoryBound(to: UInt8.self), count: columns)
      let line = block > 1 ? (columns + block - 1) / block : 0
      for column in 0..<columns {
        let index = block > 1 ? row / block * line + column / block : perRow ? row : 0
        scales[column] =
          column % 32 == 0 ? PackedScale(scale: numbers[index] * factor, zero: 0) : scales[column - 1]
      }
    }
  }

  private static func word(_ address: UnsafeRawPointer, _ index: Int) -> UInt32 {
    UInt32(littleEndian: address.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
  }

  /// Where an output's nibble stands.
  private static func wordOfAWQ(_ row: Int) -> (word: Int, shift: UInt32) {
    let place = CheckpointLayout.awqOrder.firstIndex(of: row % 8) ?? 0
    return (row / 8, UInt32(place * 4))
  }

  /// `count` bits of a stream of words that lie `stride` words apart.
  private static func bits(_ words: UnsafeRawPointer, at bit: Int, count: Int, stride: Int) -> UInt8 {
    let (index, shift) = (bit / 32, bit % 32)
    var value = UInt64(word(words, index * stride)) >> UInt64(shift)
    if shift + count > 32 { value |= UInt64(word(words, (index + 1) * stride)) << UInt64(32 - shift) }
    return UInt8(truncatingIfNeeded: value & (1 << UInt64(count) - 1))
  }
}
