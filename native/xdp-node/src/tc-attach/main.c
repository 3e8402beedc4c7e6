/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one part of a sensor in mode host that keeps privileges while it runs: it hangs programs that were loaded before
 * (descriptors 3 and 4: ingress and egress of interfaces with a MAC header, 5 and 6: without) on interfaces, as they
 * appear, and takes them off. It can do nothing else: it reads lines from its standard input, answers each on its
 * standard output, and keeps CAP_NET_ADMIN and CAP_BPF only.
 *
 *   attach INDEX in|out 2|3 auto|tcx|clsact  ->  attached INDEX in|out tcx|clsact  |  failed INDEX in|out ERRNO
 *   forget INDEX                           ->  forgotten INDEX
 *   check                                  ->  lost INDEX in|out for each that hangs no more, then checked
 *
 * When its standard input ends, because the sensor has ended in whatever way, everything is taken off, and it ends.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clsact.h"

enum { PROGRAM_FD = 3, PROGRAMS = 4, ATTACHED_MAX = 1024, LINE_MAX_ = 128 };
/* Newer than the oldest headers that this is built with. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, BEFORE_ALL = 1 << 3, CAP_BPF_ = 39 };

/* One program on one interface; link < 0: by clsact. */
struct attached {
  int ifindex, is_egress, link;
};

static struct attached list[ATTACHED_MAX];
static int count;
static uint32_t handle;

/* Everything but what attaching takes. */
static int drop_privileges(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct now[2] = {{0}}, keep[2] = {{0}};

  keep[CAP_NET_ADMIN / 32].permitted |= 1u << (CAP_NET_ADMIN % 32);
  keep[CAP_BPF_ / 32].permitted |= 1u << (CAP_BPF_ % 32);
  if (syscall(SYS_capget, &header, now) != 0)
    return -errno;
  for (int i = 0; i < 2; i++) {
    keep[i].permitted &= now[i].permitted;
    keep[i].effective = keep[i].permitted;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall(SYS_capset, &header, keep) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return -errno;
  return 0;
}

/* Ingress ahead of all others, egress behind them: what is counted is what was on the wire. */
static int attach_tcx(int ifindex, int is_egress, int program)
{
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = is_egress ? 0 : BEFORE_ALL);
  enum bpf_attach_type type = (enum bpf_attach_type)(is_egress ? TCX_EGRESS : TCX_INGRESS);

  return bpf_link_create(program, ifindex, type, &options);
}

static struct attached *find(int ifindex, int is_egress)
{
  for (int i = 0; i < count; i++)
    if (list[i].ifindex == ifindex && list[i].is_egress == is_egress)
      return &list[i];
  return NULL;
}

/* 0, or -errno. */
static int attach(int ifindex, int is_egress, int layer, const char *how)
{
  int program = PROGRAM_FD + is_egress + (layer == 3 ? 2 : 0);
  int link = -1, result = -EINVAL;

  if (find(ifindex, is_egress) != NULL)
    return -EEXIST;
  if (count == ATTACHED_MAX)
    return -ENOSPC;
  if (strcmp(how, "clsact") != 0)
    result = link = attach_tcx(ifindex, is_egress, program);
  /* What a kernel says that knows no tcx. */
  if (link < 0 && strcmp(how, "tcx") != 0 && result == -EINVAL)
    result = clsact_attach(ifindex, is_egress, program, handle);
  if (result < 0)
    return result;
  list[count++] = (struct attached){.ifindex = ifindex, .is_egress = is_egress, .link = link};
  return 0;
}

static void detach(const struct attached *attached)
{
  if (attached->link >= 0)
    close(attached->link);
  else
    clsact_detach(attached->ifindex, attached->is_egress, handle);
}

static void forget(int ifindex)
{
  for (int i = 0; i < count;) {
    if (list[i].ifindex != ifindex) {
      i++;
      continue;
    }
    detach(&list[i]);
    list[i] = list[--count];
  }
}

/* Whether a program still hangs where it was put. A link outlives its interface, and anybody may take a qdisc away. */
static int hangs(const struct attached *attached)
{
  struct bpf_link_info info = {0};
  uint32_t length = sizeof(info);

  if (attached->link < 0)
    return clsact_hangs(attached->ifindex, attached->is_egress, handle);
  if (bpf_obj_get_info_by_fd(attached->link, &info, &length) != 0)
    return 1;
  /* tcx.ifindex lies where xdp.ifindex does, which older headers have too; 0: the interface has gone. */
  return info.xdp.ifindex == (uint32_t)attached->ifindex;
}

static void check(void)
{
  for (int i = 0; i < count;) {
    if (hangs(&list[i])) {
      i++;
      continue;
    }
    printf("lost %d %s\n", list[i].ifindex, list[i].is_egress ? "out" : "in");
    if (list[i].link >= 0)
      close(list[i].link);
    list[i] = list[--count];
  }
}

static void obey(const char *line)
{
  int ifindex, layer, length = 0;
  char side[8] = "", how[8] = "";

  if (sscanf(line, "attach %d %7s %d %7s%n", &ifindex, side, &layer, how, &length) == 4 && length > 0 && ifindex > 0) {
    int is_egress = strcmp(side, "out") == 0;
    int result = attach(ifindex, is_egress, layer, how);
    if (result != 0)
      printf("failed %d %s %d\n", ifindex, side, -result);
    else
      printf("attached %d %s %s\n", ifindex, side, list[count - 1].link >= 0 ? "tcx" : "clsact");
  } else if (sscanf(line, "forget %d%n", &ifindex, &length) == 1 && length > 0) {
    forget(ifindex);
    printf("forgotten %d\n", ifindex);
  } else if (strcmp(line, "check\n") == 0) {
    check();
    printf("checked\n");
  } else {
    printf("refused\n");
  }
  fflush(stdout);
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
  (void)level;
  (void)format;
  (void)arguments;
  return 0;
}

int main(void)
{
  char line[LINE_MAX_];
  int result;

  /* A terminal and a service manager signal the whole group: the sensor decides when this ends, by closing. */
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  /* What else the sensor's parent may have left open is none of our business. */
  syscall(SYS_close_range, PROGRAM_FD + PROGRAMS, ~0u, 0);
  libbpf_set_print(be_silent);
  if ((result = drop_privileges()) != 0 || (result = clsact_claim(&handle)) != 0) {
    printf("failed 0 start %d\n", -result);
    return 1;
  }
  clsact_sweep(handle);
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof(line), stdin) != NULL)
    obey(line);
  for (int i = 0; i < count; i++)
    detach(&list[i]);
  return 0;
}
