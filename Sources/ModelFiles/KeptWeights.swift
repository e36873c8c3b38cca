// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel

/// The weights of a sparse matrix that are not zero, row by row, and a bit for each column that says where they stand.
struct KeptWeights: @unchecked Sendable {
  let columns: Int
  let values: Numbers
  let mask: UnsafeRawPointer
  /// The place of each row's first weight (rows).
  let starts: [Int]
  let fullest: Int

  /// Thousandths of a row, rounded up, that leave room for the fullest one.
  var permilleOfFullest: Int { max(1, (fullest * 1000 + columns - 1) / columns) }

  private var maskBytes: Int { (columns + 7) / 8 }

  func maskByte(_ row: Int, _ index: Int) -> UInt8 {
    mask.load(fromByteOffset: row * maskBytes + index, as: UInt8.self)
  }

  /// Calls `body` with each kept weight of a row as a half, in the order of the columns.
  private func forEach(in row: Int, _ body: (_ place: Int, _ column: Int, _ half: UInt16) -> Void) {
    var place = 0
    for index in 0..<maskBytes {
      var bits = maskByte(row, index)
      while bits != 0 {
        body(place, index * 8 + bits.trailingZeroBitCount, Float16(values[starts[row] + place]).bitPattern)
        bits &= bits - 1
        place += 1
      }
    }
  }

  /// Writes a row as a runtime format has it.
  func write(_ row: Int, as format: RuntimeFormat, to out: UnsafeMutableRawPointer) {
    let rowBytes = columns / format.elementsPerBlock * format.bytesPerBlock
    UnsafeMutableRawBufferPointer(start: out, count: rowBytes).initializeMemory(as: UInt8.self, repeating: 0)
    if format == .sparse2of4 {
      writePairs(row, to: out)
    } else if !format.isKeptRow {
      forEach(in: row) { out.storeBytes(of: $2, toByteOffset: $1 * 2, as: UInt16.self) }
    } else if format.isKeptList {
      let list = out + format.keptRoom * 2
      for place in 0..<format.keptRoom {
        list.storeBytes(of: UInt16(columns - 1), toByteOffset: place * 2, as: UInt16.self)
      }
      forEach(in: row) { place, column, half in
        out.storeBytes(of: half, toByteOffset: place * 2, as: UInt16.self)
        list.storeBytes(of: UInt16(column), toByteOffset: place * 2, as: UInt16.self)
      }
    } else {
      forEach(in: row) { place, _, half in out.storeBytes(of: half, toByteOffset: place * 2, as: UInt16.self) }
      let start = rowBytes - maskBytes
      (out + start).copyMemory(from: mask + row * maskBytes, byteCount: maskBytes)
    }
  }

  /// Blocks of 32 columns: a word of sixteen places within their four, then sixteen halves.
  private func writePairs(_ row: Int, to out: UnsafeMutableRawPointer) {
    let blockBytes = RuntimeFormat.sparse2of4.bytesPerBlock
    forEach(in: row) { place, column, half in
      let block = out + place / 16 * blockBytes
      let old = block.loadUnaligned(as: UInt32.self)
      block.storeBytes(of: old | UInt32(column % 4) << UInt32(place % 16 * 2), as: UInt32.self)
      block.storeBytes(of: half, toByteOffset: 4 + place % 16 * 2, as: UInt16.self)
    }
  }
}

extension PartFinder {
  /// The parts of a sparse matrix, its mask held against its shape and its weights against the mask.
  mutating func keptWeights(twoOfFour: Bool) throws(ModelFileError) -> KeptWeights {
    let shape = try part("shape", bytes: 16)
    let sizes = [0, 8].map { Int(shape.loadUnaligned(fromByteOffset: $0, as: Int64.self)) }
    guard sizes.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
      throw fault(sibling("shape"), .wrongValue(found: "\(sizes)", expected: "rows and columns"))
    }
    let (rows, columns) = (sizes[0], sizes[1])
    let line = (columns + 7) / 8
    let mask = try part("bitmask", bytes: rows * line)
    let bytes = UnsafeRawBufferPointer(start: mask, count: rows * line)
    guard columns % 8 == 0 || (0..<rows).allSatisfy({ bytes[$0 * line + line - 1] >> UInt8(columns % 8) == 0 }) else {
      throw fault(sibling("bitmask"), .wrongValue(found: "bits behind the last column", expected: "none"))
    }
    func isTwo(_ row: Int, _ four: Int) -> Bool {
      (bytes[row * line + four / 2] >> UInt8(four % 2 * 4) & 15).nonzeroBitCount == 2
    }
    if twoOfFour, !(0..<rows).allSatisfy({ row in (0..<columns / 4).allSatisfy { isTwo(row, $0) } }) {
      throw fault(sibling("bitmask"), .wrongValue(found: "other counts", expected: "two weights of every four"))
    }
    var (starts, end, fullest) = ([Int](), 0, 0)
    for row in 0..<rows {
      starts.append(end)
      let count = bytes[row * line..<(row + 1) * line].reduce(0) { $0 + $1.nonzeroBitCount }
      end += count
      fullest = max(fullest, count)
    }
    return KeptWeights(
      columns: columns, values: try numbers(named: name, count: end), mask: mask, starts: starts, fullest: fullest)
  }
}
