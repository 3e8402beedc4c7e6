{
  "targets": [
    {
      "target_name": "xdp_node",
      "sources": [
        "src/addon.cc",
        "src/backing.cc",
        "src/capabilities.cc",
        "src/error.cc",
        "src/ethtool.cc",
        "src/ethtool_details.cc",
        "src/every_thread.cc",
        "src/file_lock.cc",
        "src/landlock.cc",
        "src/link.cc",
        "src/links.cc",
        "src/memory.cc",
        "src/neighbours.cc",
        "src/netlink.cc",
        "src/notify.cc",
        "src/probe.cc",
        "src/program.cc",
        "src/resources.cc",
        "src/ringbuf.cc",
        "src/rings.cc",
        "src/seccomp.cc",
        "src/socket.cc",
        "src/standing.cc",
        "src/thread.cc",
        "src/umem.cc",
        "src/uring.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
      "libraries": ["-lbpf"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "_FILE_OFFSET_BITS=64",
        # A thread that is ended while it loads the addon can neither go on nor throw: not a reason to abort the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      "cflags_cc": ["-std=gnu++17", "-fexceptions", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"]
    },
    {
      "target_name": "tc-attach",
      "type": "executable",
      "sources": ["src/tc-attach/clsact.c", "src/tc-attach/main.c"],
      "libraries": ["-lbpf"],
      "cflags": ["-O2", "-Wall", "-Wextra"]
    }
  ],
  # What only the tests need is built where there are tests: they are not in the npm package.
  "conditions": [
    ["\"<!(node -p \"require('fs').existsSync('test/syscall.cc')\")\"==\"true\"", {
      "targets": [
        {
          "target_name": "test_syscall",
          "sources": ["test/syscall.cc"],
          "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
          "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED"],
          "cflags_cc!": ["-fno-exceptions"],
          "cflags_cc": ["-fexceptions", "-Wall", "-Wextra", "-fvisibility=hidden"]
        }
      ]
    }]
  ]
}
