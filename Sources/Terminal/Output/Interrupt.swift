// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Ctrl-C asks once and politely; the second time it ends the program.
final class Interrupt: Sendable {
  static let shared = Interrupt()
  private let requested = Atomic<Bool>(false)

  var isRequested: Bool { requested.load(ordering: .relaxed) }

  func listen() {
    signal(SIGINT) { _ in
      // The second one takes the default way.
      if Interrupt.shared.requested.exchange(true, ordering: .relaxed) {
        signal(SIGINT, SIG_DFL)
        raise(SIGINT)
      }
    }
  }
}
