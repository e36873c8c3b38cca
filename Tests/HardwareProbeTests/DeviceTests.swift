// SPDX-License-Identifier: Apache-2.0
import Hardware
@testable import HardwareProbe
import Quantities
import Testing

@Suite struct `The accelerators` {
  @Test func `are none on a machine without any`() {
    #expect(Accelerators(tree([:]), nvidia: .noLibrary).found.isEmpty)
    let server = tree([
      "/sys/bus/pci/devices/0000:03:00.0/class": "0x030000\n", "/sys/bus/pci/devices/0000:03:00.0/vendor": "0x1a03\n",
      "/sys/bus/pci/devices/0000:03:00.0/device": "0x2000\n",
    ])
    #expect(Accelerators(server, nvidia: .noLibrary).found.isEmpty)
  }

  @Test func `of AMD tell memory, its use and the compiler's target`() throws {
    let card = "/sys/class/drm/card1"
    let found = Accelerators(
      tree([
        "\(card)/device/vendor": "0x1002\n", "\(card)/device/device": "0x744c\n",
        "\(card)/device/uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0c:00.0\n",
        "\(card)/device/mem_info_vram_total": "25753026560\n", "\(card)/device/mem_info_vram_used": "53026560\n",
        "\(card)/device/drm/renderD128/dev": "226:128\n",
        "\(card)/device/max_link_speed": "16.0 GT/s PCIe\n", "\(card)/device/current_link_width": "8\n",
        "/sys/class/kfd/kfd/topology/nodes/1/properties":
          "cpu_cores_count 0\nsimd_count 192\ngfx_target_version 110000\ndrm_render_minor 128\n",
        "/sys/bus/pci/devices/0000:0c:00.0/class": "0x030000\n", "/sys/bus/pci/devices/0000:0c:00.0/vendor": "0x1002\n",
        "/sys/bus/pci/devices/0000:0c:00.0/device": "0x744c\n", "/sys/class/drm/card1-DP-1/status": "connected\n",
      ]), nvidia: .noLibrary
    ).found
    let card1 = try #require(found.first)
    #expect(found.count == 1 && card1.vendor == "AMD" && card1.kind == .gpu && card1.name == "AMD GPU 744c")
    #expect(card1.memoryTotal.value == ByteCount(25_753_026_560) && card1.memoryFree.value == ByteCount(25_700_000_000))
    #expect(card1.computeCapability == "gfx1100" && card1.source == card)
    #expect(card1.links.host.value == ExpressLink(generation: 4, lanes: 8)?.bandwidth && card1.links.peer.value == nil)
  }

  @Test func `on the processor share its memory`() throws {
    let found = Accelerators(
      tree([
        "/sys/class/drm/card0/device/vendor": "0x8086\n", "/sys/class/drm/card0/device/device": "0xa7a0\n",
        "/proc/meminfo": "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n",
      ]), nvidia: .noLibrary
    ).found
    let unit = try #require(found.first)
    #expect(unit.kind == .integratedGPU && unit.hasUnifiedMemory && unit.memoryTotal.value == .gibibytes(1))
  }

  @Test func `without their driver are named with the reason`() throws {
    let files = tree([
      "/sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n", "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
      "/sys/bus/pci/devices/0000:01:00.0/device": "0x2330\n",
    ])
    let device = try #require(Accelerators(files, nvidia: .noLibrary).found.first)
    #expect(device.name == "NVIDIA device 10de:2330" && device.memoryTotal.value == nil)
    #expect(device.memoryTotal.reason == "NVIDIA's management library (libnvidia-ml.so.1) is not installed")
  }
}

@Suite struct `Surroundings` {
  private func machine(_ files: [String: String], cpuid: [CPUIDLeaves] = []) -> Machine {
    Machine(files: tree(files), cpuid: cpuid)
  }

  @Test func `tell a hypervisor by what it says of itself`() {
    let leaves = CPUIDLeaves(
      dump: """
        # mask e[abcd]x => e[abcd]x
        5 1 0 0 0 => b06a2 800800 80000000 bfebfbff
        5 40000000 0 0 0 => 40000001 4b4d564b 564b4d56 4d
        """)
    #expect(machine([:], cpuid: [leaves]).virtualisation == .virtualMachine(hypervisor: "KVM"))
    #expect(machine(["/sys/hypervisor/type": "xen\n"]).virtualisation == .virtualMachine(hypervisor: "Xen"))
    #expect(machine(["/sys/class/dmi/id/sys_vendor": "QEMU\n"]).virtualisation == .virtualMachine(hypervisor: "QEMU"))
    #expect(machine(["/proc/cpuinfo": "flags\t\t: fpu sse\n"]).virtualisation == .bareMetal)
    #expect(
      machine(["/proc/cpuinfo": "flags\t\t: fpu hypervisor\n"]).virtualisation == .virtualMachine(hypervisor: "unknown")
    )
    #expect(machine([:]).virtualisation == .unknown)
  }

  @Test(
    arguments: [
      (["/.dockerenv": ""], "docker"), (["/run/.containerenv": "", "/.dockerenv": ""], "podman"),
      (["/proc/self/cgroup": "0::/kubepods.slice/kubepods-pod1.slice/x.scope\n"], "kubernetes"),
      (["/proc/self/cgroup": "4:memory:/docker/abc\n"], "docker"), (["/run/systemd/container": "lxc\n"], "lxc"),
      (["/proc/self/cgroup": "0::/user.slice\n"], nil),
    ] as [([String: String], String?)])
  func `tell a container by its marks`(files: [String: String], kind: String?) {
    #expect(machine(files).container.kind == kind)
  }

  @Test func `name the system, its disks and how the clock is governed`() {
    let here = machine([
      "/etc/os-release": "NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n", "/proc/sys/kernel/osrelease": "6.1.0\n",
      "/sys/block/nvme0n1/size": "2048\n", "/sys/block/nvme0n1/queue/rotational": "0\n", "/sys/block/loop0/size": "1\n",
      "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave\n",
      "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "4700000\n",
    ])
    #expect(here.operatingSystem == OperatingSystem(name: "Debian GNU/Linux 12", kernel: "Linux 6.1.0"))
    #expect(here.storage == [StorageDevice(name: "nvme0n1", capacity: .mebibytes(1), isRotational: false)])
    let policy = FrequencyReading(here.files).policy
    #expect(policy.governor == "powersave" && policy.maximumHertz == 4.7e9 && policy.throttleEvents == nil)
  }
}

@Suite struct `Instruction sets` {
  private func sets(_ present: Set<String>, saved: UInt64? = .max, amx: InstructionFacts.Grant = .granted) -> [String:
    InstructionSet]
  {
    let facts = InstructionFacts(family: .x86, present: present, savedStates: saved, amx: amx, source: "test")
    return Dictionary(uniqueKeysWithValues: facts.instructionSets.map { ($0.name, $0) })
  }

  @Test func `that are present need the kernel to save their registers`() {
    let all: Set<String> = ["avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "amx_tile", "amx_int8"]
    #expect(sets(all)["avx512_vnni"]?.isWorthUsing == true && sets(all)["amx_int8"]?.isWorthUsing == true)
    // XCR0 with SSE and AVX only.
    let old = sets(all, saved: 0x7)
    #expect(old["avx512_vnni"]?.isPresent == true && old["avx512_vnni"]?.isWorthUsing == false)
    #expect(old["avx2"]?.isWorthUsing == true)
    #expect(old["avx512f"]?.reason == "the kernel does not save its registers (XCR0)")
    let refused = sets(all, amx: .refused(errno: 22))["amx_int8"]
    #expect(refused?.isPresent == true && refused?.isWorthUsing == false)
    #expect(refused?.reason == "the kernel does not grant the tile registers to this process (errno 22)")
  }

  @Test func `of ARM come from the auxiliary vector`() {
    func pair(_ type: UInt64, _ value: UInt64) -> [UInt8] {
      [type, value].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }
    // asimd is bit 1, asimddp bit 20 of AT_HWCAP; i8mm bit 13 of AT_HWCAP2.
    let vector = pair(6, 4096) + pair(16, 1 << 1 | 1 << 20) + pair(26, 1 << 13) + pair(0, 0)
    #expect(InstructionFacts.armFeatures(auxiliaryVector: vector) == ["neon", "dotprod", "i8mm"])
    #expect(InstructionFacts.armFeatures(auxiliaryVector: Array(vector.prefix(5))) == nil)
  }

  @Test func `survive a snapshot with what the kernel grants`() {
    let grants = RegisterGrants.live(asksForAMX: false)
    #expect(RegisterGrants(tree([RegisterGrants.path: grants.text])) == grants)
    let refused = RegisterGrants(tree([RegisterGrants.path: "saved-states: 602e7\namx-errno: 1\n"]))
    #expect(refused.savedStates == 0x602E7 && refused.amx == .refused(errno: 1))
  }
}
