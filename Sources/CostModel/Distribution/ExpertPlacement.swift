// SPDX-License-Identifier: Apache-2.0

/// Routed experts that stand whole on one of several devices each, instead of a slice of each on all (expert parallel).
package enum ExpertPlacement {
  /// Experts on the device with the most.
  private static func most(_ experts: Int, on devices: Int) -> Int { (experts + devices - 1) / max(1, devices) }

  /// Their share of all experts, which is what the fullest device holds.
  package static func held(experts: Int, devices: Int) -> Double {
    Double(most(experts, on: devices)) / Double(max(1, experts))
  }

  /// Of the experts that a pass visits, the share that the device with the most of them reads; the others wait for it.
  ///
  /// Each of a device's m experts is visited with probability p, so that the most of n devices are expected to be
  /// `Σ 1 − F(x)ⁿ`, F being the binomial distribution of m and p; devices are taken as independent.
  ///
  /// - Parameter visited: the share of all experts that the pass visits, p.
  package static func busiest(experts: Int, visited: Double, devices: Int) -> Double {
    let own = most(experts, on: devices)
    guard visited > 0, visited < 1 else { return held(experts: experts, devices: devices) }
    var density = (0..<own).reduce(1.0) { product, _ in product * (1 - visited) }
    var (below, most) = (0.0, 0.0)
    for count in 0..<own {
      below = min(1, below + density)
      most += 1 - (0..<devices).reduce(1.0) { product, _ in product * below }
      density *= Double(own - count) / Double(count + 1) * visited / (1 - visited)
    }
    return min(1, most / (Double(experts) * visited))
  }
}
