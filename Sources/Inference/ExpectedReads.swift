// SPDX-License-Identifier: Apache-2.0
import CKernels

/// What the next product reads, for threads to ask for while they wait: rows of which each thread takes its own run.
struct ExpectedReads: Sendable {
  static let nothing = ExpectedReads(address: nil, pieces: 0, pieceBytes: 0, besides: 0)

  let address: UInt?
  let pieces: Int
  let pieceBytes: Int
  /// Pieces of other matrices behind these in the same job.
  let besides: Int

  private init(address: UInt?, pieces: Int, pieceBytes: Int, besides: Int) {
    (self.address, self.pieces, self.pieceBytes, self.besides) = (address, pieces, pieceBytes, besides)
  }

  /// - Parameter besides: rows that the same job multiplies behind these.
  init(_ matrix: PreparedMatrix, besides: Int = 0) {
    let rows = Interleaving.panelRows
    self.init(
      address: UInt(bitPattern: matrix.panels ?? matrix.address), pieces: matrix.rows / rows,
      pieceBytes: rows * matrix.rowBytes, besides: besides / rows)
  }

  /// Where a thread begins: it asks for no more than that, and for nothing where its run is in another matrix.
  func part(of thread: Int, among threads: Int) -> Upcoming {
    let own = ChunkShares.own(thread, of: pieces + besides, among: threads).clamped(to: 0..<pieces)
    guard let address, !own.isEmpty else { return .nothing }
    let start = UnsafeRawPointer(bitPattern: address + UInt(own.lowerBound * pieceBytes))
    return Upcoming(next: start, left: min(own.count * pieceBytes, Upcoming.most))
  }
}

/// Memory that a thread will read soon and has not asked for yet.
struct Upcoming: @unchecked Sendable {
  static let nothing = Upcoming(next: nil, left: 0)
  /// A part of the second cache, and more than a wait of some microseconds can bring.
  static let most = 256 << 10
  private static let step = 256

  private(set) var next: UnsafeRawPointer?
  private(set) var left: Int

  init(next: UnsafeRawPointer?, left: Int) {
    self.next = next
    self.left = left
  }

  /// Asks for the next few lines; pauses when there are none.
  mutating func askOrPause() {
    guard let next, left > 0 else { return ck_pause() }
    ck_ask(next, Int64(min(Self.step, left)))
    self.next = next + Self.step
    left = max(0, left - Self.step)
  }
}
