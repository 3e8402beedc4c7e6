/* SPDX-License-Identifier: Apache-2.0 */
#include "clsact.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Ingress ahead of nearly all, egress behind them: what is counted is what was on the wire. The second of each pair
 * says that the qdisc was made for the filter.
 */
enum { INGRESS_PRIORITY = 2, EGRESS_PRIORITY = 50002, FOREIGN_QDISC = 0, OWN_QDISC = 1 };
enum { HANDLE_TRIES = 64 };
static const char NAME_PREFIX[] = "sparsewire_";

/* A filter as the kernel lists it. */
struct filter {
  uint32_t handle, priority;
  int is_ours; /* by its program's name */
};

typedef void (*filter_visitor)(const struct filter *filter, void *context);

static int name_socket(uint32_t handle)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "sparsewire-tc-%u", handle);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

  if (fd < 0)
    return -errno;
  /* Abstract names belong to the network namespace, as interfaces do. */
  if (bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) == 0)
    return fd;
  error = errno;
  close(fd);
  return -error;
}

int clsact_claim(uint32_t *handle)
{
  int fd = -EADDRINUSE;

  *handle = (uint32_t)getpid();
  for (int i = 0; i < HANDLE_TRIES && fd == -EADDRINUSE; i++) {
    if (i > 0)
      ++*handle;
    fd = name_socket(*handle);
  }
  /* The descriptor stays open as long as we live. */
  return fd < 0 ? fd : 0;
}

static int is_alive(uint32_t handle)
{
  int fd = name_socket(handle);

  if (fd >= 0)
    close(fd);
  return fd < 0;
}

static struct filter filter_of(struct nlmsghdr *message)
{
  struct tcmsg *body = NLMSG_DATA(message);
  struct filter filter = {.handle = body->tcm_handle, .priority = body->tcm_info >> 16};
  int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*body)));
  struct rtattr *each = (struct rtattr *)((char *)body + NLMSG_ALIGN(sizeof(*body)));

  for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    /* TCA_OPTIONS nests the classifier's own attributes; TCA_BPF_NAME is the seventh of bpf's. */
    enum { TCA_BPF_NAME_ = 7 };
    if ((each->rta_type & NLA_TYPE_MASK) != TCA_OPTIONS)
      continue;
    int inner_left = (int)RTA_PAYLOAD(each);
    for (struct rtattr *inner = RTA_DATA(each); RTA_OK(inner, inner_left); inner = RTA_NEXT(inner, inner_left)) {
      if ((inner->rta_type & NLA_TYPE_MASK) == TCA_BPF_NAME_ && RTA_PAYLOAD(inner) >= sizeof(NAME_PREFIX) &&
          memcmp(RTA_DATA(inner), NAME_PREFIX, sizeof(NAME_PREFIX) - 1) == 0)
        filter.is_ours = 1;
    }
  }
  return filter;
}

static uint32_t parent_of(int is_egress)
{
  return TC_H_MAKE(TC_H_CLSACT, is_egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

/* Shows every filter on one side of an interface to `visit`. An interface without clsact has none. */
static void list_filters(int ifindex, int is_egress, filter_visitor visit, void *context)
{
  struct {
    struct nlmsghdr header;
    struct tcmsg body;
  } request = {
      .header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETTFILTER, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
      .body = {.tcm_ifindex = ifindex, .tcm_parent = parent_of(is_egress)},
  };
  static _Alignas(struct nlmsghdr) char answer[64 * 1024];
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), is_done = 0;

  if (fd < 0)
    return;
  if (send(fd, &request, sizeof(request), 0) < 0)
    is_done = 1;
  while (!is_done) {
    ssize_t length = recv(fd, answer, sizeof(answer), 0);
    if (length <= 0)
      break;
    uint32_t left = (uint32_t)length;
    for (struct nlmsghdr *each = (void *)answer; NLMSG_OK(each, left); each = NLMSG_NEXT(each, left)) {
      if (each->nlmsg_type == NLMSG_DONE || each->nlmsg_type == NLMSG_ERROR)
        is_done = 1;
      if (each->nlmsg_type != RTM_NEWTFILTER || each->nlmsg_len < NLMSG_LENGTH(sizeof(struct tcmsg)))
        continue;
      struct filter filter = filter_of(each);
      /* A classifier without a filter is listed too, with no handle. */
      if (filter.handle != 0)
        visit(&filter, context);
    }
  }
  close(fd);
}

static void count_filter(const struct filter *filter, void *context)
{
  (void)filter;
  ++*(int *)context;
}

static int count_filters(int ifindex)
{
  int count = 0;

  for (int side = 0; side < 2; side++)
    list_filters(ifindex, side, count_filter, &count);
  return count;
}

static enum bpf_tc_attach_point point_of(int is_egress) { return is_egress ? BPF_TC_EGRESS : BPF_TC_INGRESS; }

static void remove_filter(int ifindex, int is_egress, uint32_t handle, uint32_t priority)
{
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point_of(is_egress));
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = priority);

  bpf_tc_detach(&hook, &options);
}

static uint32_t priority_of(int is_egress, int qdisc)
{
  return (uint32_t)(is_egress ? EGRESS_PRIORITY : INGRESS_PRIORITY) + (uint32_t)qdisc;
}

/* Removes the qdisc once nobody uses it. */
static void remove_qdisc(int ifindex)
{
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

  if (count_filters(ifindex) == 0)
    bpf_tc_hook_destroy(&hook);
}

enum { ANY_HANDLE = 0 };

struct search {
  uint32_t handle;
  int is_ours, was_own_qdisc;
};

static void find_ours(const struct filter *filter, void *context)
{
  struct search *search = context;

  if (!filter->is_ours || (search->handle != ANY_HANDLE && filter->handle != search->handle))
    return;
  search->is_ours = 1;
  search->was_own_qdisc |= filter->priority == INGRESS_PRIORITY + OWN_QDISC ||
                           filter->priority == EGRESS_PRIORITY + OWN_QDISC;
}

/* Whether a filter of this number, on either side, says that the qdisc was made for it. */
static int made_qdisc(int ifindex, uint32_t handle)
{
  for (int side = 0; side < 2; side++) {
    struct search search = {.handle = handle};
    list_filters(ifindex, side, find_ours, &search);
    if (search.was_own_qdisc)
      return 1;
  }
  return 0;
}

int clsact_attach(int ifindex, int is_egress, int program, uint32_t handle)
{
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
  int result = bpf_tc_hook_create(&hook);
  /* One that was made for another sensor is ours as well: the last to leave takes it away. */
  int is_own = result == 0 || made_qdisc(ifindex, ANY_HANDLE);

  if (result != 0 && result != -EEXIST)
    return result;
  hook.attach_point = point_of(is_egress);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .prog_fd = program,
        .priority = priority_of(is_egress, is_own ? OWN_QDISC : FOREIGN_QDISC));
  result = bpf_tc_attach(&hook, &options);
  if (result != 0 && is_own)
    remove_qdisc(ifindex);
  return result;
}

void clsact_detach(int ifindex, int is_egress, uint32_t handle)
{
  int is_own = made_qdisc(ifindex, handle);

  for (int qdisc = FOREIGN_QDISC; qdisc <= OWN_QDISC; qdisc++)
    remove_filter(ifindex, is_egress, handle, priority_of(is_egress, qdisc));
  if (is_own)
    remove_qdisc(ifindex);
}

int clsact_hangs(int ifindex, int is_egress, uint32_t handle)
{
  struct search search = {.handle = handle};

  list_filters(ifindex, is_egress, find_ours, &search);
  return search.is_ours;
}

struct dead {
  uint32_t own, handles[64];
  int count;
};

static void find_dead(const struct filter *filter, void *context)
{
  struct dead *dead = context;

  if (filter->is_ours && filter->handle != dead->own && dead->count < 64 && !is_alive(filter->handle))
    dead->handles[dead->count++] = filter->handle;
}

void clsact_sweep(uint32_t handle)
{
  struct if_nameindex *all = if_nameindex();

  for (struct if_nameindex *each = all; each != NULL && each->if_index != 0; each++) {
    for (int side = 0; side < 2; side++) {
      struct dead dead = {.own = handle};
      list_filters((int)each->if_index, side, find_dead, &dead);
      for (int i = 0; i < dead.count; i++)
        clsact_detach((int)each->if_index, side, dead.handles[i]);
    }
  }
  if (all != NULL)
    if_freenameindex(all);
}
