// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import Quantities
import Testing

@testable import Compression

@Suite struct `The page docs/formats.md` {
  private static let page: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try? String(contentsOf: package.appendingPathComponent("docs/formats.md"), encoding: .utf8)
  }()

  /// The rows of a table as cells, by their first cell without backticks.
  private func rows(cells count: Int) throws -> [String: [String]] {
    let page = try #require(Self.page)
    var rows: [String: [String]] = [:]
    for line in page.split(separator: "\n") where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
      if cells.count == count { rows[cells[0]] = cells }
    }
    return rows
  }

  @Test func `lists every GGUF type with its block, bytes, bits and kernel`() throws {
    let rows = try rows(cells: 6)
    #expect(Set(rows.keys) == Set(BlockFormat.allCases.map(\.rawValue)))
    for format in BlockFormat.allCases {
      let expected = [
        format.rawValue, "\(format.ggufType)", "\(format.elementsPerBlock)", "\(format.bytesPerBlock)",
        shortest(format.bitsPerWeight), "\(StorageFormat.block(format).kernelSupport)",
      ]
      #expect(rows[format.rawValue] == expected)
    }
  }

  @Test func `lists every other format with its bits for a 4096 × 4096 matrix`() throws {
    let rows = try rows(cells: 3)
    let formats: [StorageFormat] =
      CompressionVariant.offered.compactMap {
        guard case .linearLayers(let format) = $0.steps.first else { return nil }
        return format
      } + [.sparse(.unstructured(keptPermille: 500)), .sparse(.structured(kept: 2, of: 4))]
    #expect(Set(rows.keys) == Set(formats.map(\.name)))
    for format in formats {
      let bits = format.bytes(rows: 4096, columns: 4096).magnitude * 8 / (4096 * 4096)
      #expect(rows[format.name]?[1] == QuantityFormat.fixed(bits, decimals: 4))
      #expect(format.kernelSupport == .fast)
    }
  }

  @Test func `lists every recipe with its base`() throws {
    let rows = try rows(cells: 4)
    #expect(Set(rows.keys) == Set(GGUFMixture.allCases.map(\.rawValue)))
    for mixture in GGUFMixture.allCases {
      #expect(rows[mixture.rawValue]?[1] == mixture.baseFormat.rawValue)
      let matrix =
        mixture.needsImportanceMatrix ? "needed" : mixture.dependsOnImportanceMatrix ? "optional" : "no effect"
      #expect(rows[mixture.rawValue]?[2] == matrix)
      let summary = CompressionVariant([.mixture(mixture, hasImportanceMatrix: mixture.needsImportanceMatrix)])
        .summary(of: TensorCensus(LlamaFixture.llama31With8B.inventory, LlamaFixture.llama31With8B.architecture))
      #expect(rows[mixture.rawValue]?[3] == QuantityFormat.fixed(summary.bitsPerWeight, decimals: 3))
    }
  }

  private func shortest(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String(value)
  }
}
