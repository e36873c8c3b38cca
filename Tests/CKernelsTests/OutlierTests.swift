// SPDX-License-Identifier: Apache-2.0
import CKernels
import TestSupport
import Testing

/// Large inputs multiplied apart from 8-bit integers (LLM.int8()).
@Suite struct OutlierTests {
  private static let threshold: Float = 6

  /// Inputs of ordinary size with one of sixty in every row of 128, and its neighbours' exact sums.
  private func inputs(_ columns: Int) -> [Float] {
    var random = SeededRandom(seed: 2)
    var x = (0..<columns).map { _ in Float.random(in: -3...3, using: &random) }
    for column in stride(from: 37, to: columns, by: 128) { x[column] = column % 256 < 128 ? 60 : -60 }
    return x
  }

  @Test func `what is at the threshold or beyond is taken out, and nothing else`() {
    let x: [Float] = [1, -6, 5.99, 6, .infinity, -0.5, -7]
    var rest = [Float](repeating: 9, count: 7)
    #expect(ck_split_outliers(x, &rest, 7, Self.threshold) != 0)
    #expect(rest == [1, 0, 5.99, 0, 0, -0.5, 0])
    #expect(ck_split_outliers(rest, &rest, 7, Self.threshold) == 0)
  }

  @Test(arguments: [CK_INT8_G128, CK_Q8_0])
  func `integers with small inputs and floats with large ones are the product within the small ones' rounding`(
    type: ck_type
  ) throws {
    let (type, rows, columns) = (Int32(type.rawValue), 48, 512)
    let weights = randomWeights(type: type, rows: rows, columns: columns, seed: 3)
    let rowBytes = weights.count / rows
    let decoded = decodedWeights(weights, type: type, count: rows * columns)
    let panels = interleavedWeights(weights, type: type, rows: rows, columns: columns)
    let x = inputs(columns)
    var rest = x
    _ = ck_split_outliers(x, &rest, Int64(columns), Self.threshold)
    for kernels in supportedRows() {
      var records = [Int32](repeating: 0, count: ck_record_bytes(1, 1, Int64(columns)) / 4)
      kernels.row.pointee.make_records(rest, Int64(columns), 1, Int64(columns), 1, &records, 0, 1)
      var y = [Float](repeating: 777, count: rows)
      panels.withUnsafeBytes { panels in
        records.withUnsafeBytes { records in
          y.withUnsafeMutableBufferPointer { y in
            var job = ck_panel_job(
              type: type, panels: panels.baseAddress, input: records.baseAddress, tokens: 1, columns: Int64(columns),
              y: y.baseAddress, y_stride: Int64(rows), scratch: nil, adds: 0, gate: nil, gated: nil)
            kernels.row.pointee.panel_matvec(&job, 16, 48)
          }
        }
        ck_add_outliers(type, 1, panels.baseAddress, rowBytes, x, Int64(columns), Self.threshold, &y, 16, 48)
      }
      for row in 16..<rows {
        var (exact, bound) = (0.0, 0.0)
        for k in 0..<columns {
          let weight = Double(decoded[row * columns + k])
          // Half of a step of 3 / 127, and the roundings of a hundred float sums.
          bound += abs(weight) * (rest[k] == x[k] ? 1.5 / 127 : 0) + abs(weight * Double(x[k])) * 0x1p-16
          exact += weight * Double(x[k])
        }
        #expect(abs(Double(y[row]) - exact) <= bound, "\(kernels.name), row \(row)")
      }
      #expect(y.prefix(16).allSatisfy { $0 == 777 })
    }
  }

  @Test(arguments: [CK_INT8_G128, CK_Q8_0])
  func `panels and rows in the file's order add the same`(type: ck_type) throws {
    let (type, rows, columns) = (Int32(type.rawValue), 32, 256)
    let weights = randomWeights(type: type, rows: rows, columns: columns, seed: 4)
    let rowBytes = weights.count / rows
    let x = inputs(columns)
    let panels = interleavedWeights(weights, type: type, rows: rows, columns: columns)
    var (inPanels, inRows) = ([Float](repeating: 1, count: rows), [Float](repeating: 1, count: rows))
    weights.withUnsafeBytes { bytes in
      panels.withUnsafeBytes { panels in
        ck_add_outliers(type, 1, panels.baseAddress, rowBytes, x, Int64(columns), Self.threshold, &inPanels, 0, 32)
      }
      ck_add_outliers(type, 0, bytes.baseAddress, rowBytes, x, Int64(columns), Self.threshold, &inRows, 0, 27)
    }
    #expect(inRows[..<27] == inPanels[..<27])
    #expect(inRows[27...].allSatisfy { $0 == 1 } && inRows[0] != 1)
  }
}
