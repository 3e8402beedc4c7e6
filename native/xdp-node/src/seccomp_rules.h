// What the seccomp filter refuses, call by call, and why. Everything else stays allowed; calls newer than this
// table are answered as a kernel answers that does not have them.
//
// A list of what is refused, not of what is allowed: Node, V8 and the C library change underneath and take up
// calls that no list of ours foresees; they would fail in the field, in odd places. What an intruder needs to
// leave the process, to gain rights or to reach the kernel's rarely used parts is known, and it is all here.
#pragma once
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>

namespace xdp {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the numbers of system calls of this architecture have not been checked"
#endif

// Set in the numbers of x32 calls.
constexpr uint32_t kX32 = 0x40000000;

// The newest call that this table was written against: set_mempolicy_home_node, Linux 5.17. The same number on
// x86-64 and aarch64, and so are all after it. x32 calls (bit 30) lie above it as well.
constexpr uint32_t kNewestCall = 450;

enum class When {
  kAlways,
  kNewProcess,     // clone: unless it starts a thread, in the namespaces that are
  kOtherProcess,   // the first argument is not this process
  kOtherOrZero,    // likewise, but 0 means this process
  kOtherPriority,  // setpriority: not the calling thread itself
  kFamily,         // socket: a family, type or protocol that the profile does not list
  kCommand,        // bpf: a command that the profile does not list
  kIoctl,          // ioctl: a request of kRefusedIoctls
  kFcntl,          // fcntl: a command of kRefusedFcntls
  kOption,         // setsockopt: an option of kRefusedOptions
  kPrctl,          // prctl: one of kRefusedPrctls, or PR_SET_DUMPABLE with anything but 0
};

struct SeccompRule {
  const char* name;
  uint32_t number;
  When when;
  int err;
  const char* why;
};

// linux/sockios.h, asm-generic/ioctls.h
constexpr uint32_t kRefusedIoctls[] = {0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */, 0x5423 /* TIOCSETD */,
                                       0x8901 /* FIOSETOWN */, 0x8902 /* SIOCSPGRP */};
// asm-generic/fcntl.h
constexpr uint32_t kRefusedFcntls[] = {8 /* F_SETOWN */, 10 /* F_SETSIG */, 15 /* F_SETOWN_EX */};

// linux/prctl.h. What opens this process to others, gives rights back, or weakens what keeps processes apart.
constexpr uint32_t kSetDumpable = 4;
constexpr uint32_t kRefusedPrctls[] = {
    8 /* PR_SET_KEEPCAPS */,       28 /* PR_SET_SECUREBITS */,
    35 /* PR_SET_MM */,            36 /* PR_SET_CHILD_SUBREAPER */,
    47 /* PR_CAP_AMBIENT */,       53 /* PR_SET_SPECULATION_CTRL */,
    57 /* PR_SET_IO_FLUSHER */,    59 /* PR_SET_SYSCALL_USER_DISPATCH */,
    62 /* PR_SCHED_CORE */,        67 /* PR_SET_MEMORY_MERGE */,
    0x59616d61 /* PR_SET_PTRACER */};

constexpr uint32_t kAnyOption = ~0u;
struct SocketOption {
  uint32_t level;
  uint32_t option;
};
// asm-generic/socket.h, linux/tcp.h, linux/if_xdp.h, linux/if_packet.h
constexpr SocketOption kRefusedOptions[] = {
    {1 /* SOL_SOCKET */, 26 /* SO_ATTACH_FILTER */}, {1, 50 /* SO_ATTACH_BPF */},
    {1, 51 /* SO_ATTACH_REUSEPORT_CBPF */},          {1, 52 /* SO_ATTACH_REUSEPORT_EBPF */},
    {6 /* SOL_TCP */, 31 /* TCP_ULP */},             {283 /* SOL_XDP */, 3 /* XDP_TX_RING */},
    {263 /* SOL_PACKET */, kAnyOption},
};

#define NO(call, why) {#call, SYS_##call, When::kAlways, EPERM, why}
#define NO_WHEN(call, when, why) {#call, SYS_##call, When::when, EPERM, why}

constexpr SeccompRule kSeccompRules[] = {
    // Programs and processes: whatever gets in has to live with what is here.
    NO(execve, "nothing is ever started"),
    NO(execveat, "nothing is ever started, from a descriptor neither"),
#ifdef SYS_fork
    NO(fork, "no further process"),
    NO(vfork, "no further process"),
#endif
    NO_WHEN(clone, kNewProcess, "threads only: no further process, no new namespace"),
    {"clone3", SYS_clone3, When::kAlways, ENOSYS,
     "its flags lie in memory where no filter sees them; the C library falls back to clone"},
    NO(unshare, "no new namespace: each opens parts of the kernel that are otherwise for root"),
    NO(setns, "no other process's namespaces"),
    NO(personality, "no address space without randomisation, no odd ABI"),

    // Other processes.
    NO(ptrace, "no other process's memory and registers"),
    NO_WHEN(prctl, kPrctl,
            "no opening of this process to others again (PR_SET_DUMPABLE, PR_SET_PTRACER), no other name or place of its "
            "program (PR_SET_MM), no rights back (PR_SET_SECUREBITS, PR_CAP_AMBIENT), no shared pages or cores, no "
            "weaker processor (PR_SET_SPECULATION_CTRL)"),
    NO(process_vm_readv, "no other process's memory"),
    NO(process_vm_writev, "no other process's memory"),
    NO(process_madvise, "no other process's memory"),
    NO(process_mrelease, "no other process's memory"),
    NO(move_pages, "no other process's memory"),
    NO(migrate_pages, "no other process's memory"),
    NO(kcmp, "no looking into other processes"),
    NO(pidfd_open, "no handle of another process"),
    NO(pidfd_getfd, "no other process's open files"),
    NO(pidfd_send_signal, "no signal to another process"),
    NO_WHEN(kill, kOtherProcess, "no signal to another process"),
    NO_WHEN(tgkill, kOtherProcess, "no signal to another process"),
    NO_WHEN(rt_sigqueueinfo, kOtherProcess, "no signal to another process"),
    NO_WHEN(rt_tgsigqueueinfo, kOtherProcess, "no signal to another process"),
    NO(tkill, "no signal to another process: it names threads only"),
    NO_WHEN(prlimit64, kOtherOrZero, "no other process's limits"),
    NO_WHEN(fcntl, kFcntl, "no signal to another process by way of a descriptor's owner (F_SETOWN, F_SETSIG)"),
    NO_WHEN(ioctl, kIoctl,
            "no typing into the terminal that the process was started from (TIOCSTI, TIOCLINUX), no line discipline "
            "of it (TIOCSETD), no signal to a descriptor's owner (FIOSETOWN, SIOCSPGRP)"),
    NO_WHEN(setpriority, kOtherPriority, "no other process's share of the processors"),
    NO_WHEN(sched_setscheduler, kOtherOrZero, "no other process's share of the processors"),
    NO_WHEN(sched_setparam, kOtherOrZero, "no other process's share of the processors"),
    NO_WHEN(sched_setattr, kOtherOrZero, "no other process's share of the processors"),
    NO_WHEN(sched_setaffinity, kOtherOrZero, "no other process's share of the processors"),
    NO(ioprio_set, "no other process's share of the disks"),

    // The kernel itself.
    NO_WHEN(bpf, kCommand, "no program, no map, no link, nothing by id or path: only what is open is worked with"),
    NO(perf_event_open, "no measuring of other processes or of the kernel"),
    NO(lookup_dcookie, "part of profiling"),
    NO(init_module, "no code in the kernel"),
    NO(finit_module, "no code in the kernel"),
    NO(delete_module, "no code out of the kernel"),
    NO(kexec_load, "no other kernel"),
#ifdef SYS_kexec_file_load
    NO(kexec_file_load, "no other kernel"),
#endif
    NO(reboot, "the host stays up"),
    NO(swapon, "no memory on disks"),
    NO(swapoff, "no memory on disks"),
    NO(acct, "no process accounting"),
    NO(quotactl, "no quotas"),
    NO(quotactl_fd, "no quotas"),
    NO(syslog, "no kernel log: it tells addresses"),
    NO(nfsservctl, "gone from kernels, but for old ones"),
    NO(vhangup, "no hanging up of terminals"),
    NO(userfaultfd, "a tool to win races in the kernel with"),
    NO(io_uring_setup, "a second way to most calls, past this filter"),
    NO(io_uring_enter, "see io_uring_setup"),
    NO(io_uring_register, "see io_uring_setup"),
    NO(remap_file_pages, "obsolete, and was a source of holes"),
    NO(memfd_secret, "no memory that nobody can inspect"),
#ifdef SYS_iopl
    NO(iopl, "no ports of the hardware"),
    NO(ioperm, "no ports of the hardware"),
    NO(modify_ldt, "16-bit segments: a source of holes"),
    NO(uselib, "obsolete loading of libraries"),
    NO(ustat, "obsolete"),
    NO(sysfs, "obsolete"),
    NO(_sysctl, "obsolete way to kernel parameters"),
    NO(create_module, "obsolete"),
    NO(query_module, "obsolete"),
    NO(get_kernel_syms, "obsolete"),
#endif

    // Keys.
    NO(add_key, "no kernel keyrings"),
    NO(request_key, "no kernel keyrings; it can start a program of the host"),
    NO(keyctl, "no kernel keyrings"),

    // File systems as such.
    NO(mount, "the tree of files stays as it is"),
    NO(umount2, "the tree of files stays as it is"),
    NO(pivot_root, "the tree of files stays as it is"),
    NO(move_mount, "the tree of files stays as it is"),
    NO(mount_setattr, "the tree of files stays as it is"),
    NO(open_tree, "the tree of files stays as it is"),
    NO(fsopen, "the tree of files stays as it is"),
    NO(fsconfig, "the tree of files stays as it is"),
    NO(fsmount, "the tree of files stays as it is"),
    NO(fspick, "the tree of files stays as it is"),
    NO(chroot, "the tree of files stays as it is"),
    NO(name_to_handle_at, "no files by handle"),
    NO(open_by_handle_at, "no files by handle: it goes past folders' permissions"),
    NO(fanotify_init, "no watching of others' files"),
    NO(fanotify_mark, "no watching of others' files"),
#ifdef SYS_mknod
    NO(mknod, "no device files"),
#endif
    NO(mknodat, "no device files"),

    // Landlock rules about opening, not about these: root would still own every file of root's, a set-uid bit away
    // from being root for everybody.
#ifdef SYS_chmod
    NO(chmod, "files stay as open to others as they are"),
    NO(chown, "files keep their owners"),
    NO(lchown, "files keep their owners"),
#endif
    NO(fchmod, "files stay as open to others as they are"),
    NO(fchmodat, "files stay as open to others as they are"),
    NO(fchown, "files keep their owners"),
    NO(fchownat, "files keep their owners"),
    NO(setxattr, "files keep their access lists"),
    NO(lsetxattr, "files keep their access lists"),
    NO(fsetxattr, "files keep their access lists"),
    NO(removexattr, "files keep their access lists"),
    NO(lremovexattr, "files keep their access lists"),
    NO(fremovexattr, "files keep their access lists"),
    NO(truncate, "no emptying of files by name: Landlock knows of it from Linux 6.2 only"),

    // Who it is, and the host's name and time.
    NO(setuid, "it stays who it is"),
    NO(setgid, "it stays who it is"),
    NO(setreuid, "it stays who it is"),
    NO(setregid, "it stays who it is"),
    NO(setresuid, "it stays who it is"),
    NO(setresgid, "it stays who it is"),
    NO(setfsuid, "it stays who it is"),
    NO(setfsgid, "it stays who it is"),
    NO(setgroups, "it stays who it is"),
    NO(sethostname, "the host keeps its name"),
    NO(setdomainname, "the host keeps its name"),
    NO(settimeofday, "the clock is read, not set"),
    NO(clock_settime, "the clock is read, not set"),
    NO(adjtimex, "the clock is read, not set"),
    NO(clock_adjtime, "the clock is read, not set"),

    // Ways to others.
    NO_WHEN(socket, kFamily,
            "no raw frames, no local sockets (a service manager or container engine behind one starts programs for "
            "root), no odd protocols of the kernel"),
    NO(socketpair, "no local sockets"),
    NO(listen, "what is served is open; Landlock rules about bind(), which listen() does without"),
    NO_WHEN(setsockopt, kOption,
            "no sending of raw frames by an AF_XDP socket that was kept for later (XDP_TX_RING), no packet sockets, no "
            "programs on sockets (SO_ATTACH_...), no other protocol on top (TCP_ULP)"),
    NO(shmget, "shares no memory with other processes"),
    NO(shmat, "shares no memory with other processes"),
    NO(shmctl, "shares no memory with other processes"),
    NO(semget, "shares no semaphores with other processes"),
    NO(semop, "shares no semaphores with other processes"),
    NO(semtimedop, "shares no semaphores with other processes"),
    NO(semctl, "shares no semaphores with other processes"),
    NO(msgget, "has no queues with other processes"),
    NO(msgsnd, "has no queues with other processes"),
    NO(msgrcv, "has no queues with other processes"),
    NO(msgctl, "has no queues with other processes"),
    NO(mq_open, "has no queues with other processes"),
    NO(mq_unlink, "has no queues with other processes"),
};

#undef NO
#undef NO_WHEN

}  // namespace xdp
