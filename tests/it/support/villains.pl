# Jobs that do not want to end. Each lets go of its output so that only the tree itself is left.
use strict; use warnings; use POSIX ();
my $kind = shift;
$SIG{$_} = 'IGNORE' for qw(TERM HUP INT);
sub nap { select undef, undef, undef, $_[0] }
sub rest { nap(1) while 1 }
sub spin { 1 while 1 }
sub hop { my $detach = shift; while (1) { my $pid = fork; if (!defined $pid) { nap(0.001); next }
    POSIX::_exit(0) if $pid; POSIX::setsid() if $detach; nap(0.0002) } }
sub guard { my $other = shift; while (1) {
    while (waitpid(-1, POSIX::WNOHANG()) > 0) {}
    if (!kill 0, $other) { my $me = $$; my $new = fork; next unless defined $new;
        if ($new) { $other = $new } else { $other = $me } }
    nap(0.0002) } }
if ($kind eq 'fork') { unless (fork) { POSIX::setsid(); unless (fork) { rest() } POSIX::_exit(0) } rest() }
if ($kind eq 'spin') { fork; spin() }
if ($kind eq 'stop') { unless (fork) { kill 'STOP', $$; rest() } kill 'STOP', $$; rest() }
if ($kind eq 'hop') { unless (fork) { hop(0) } rest() }
if ($kind eq 'hop-away') { unless (fork) { hop(1) } rest() }
if ($kind eq 'respawn') { my $me = $$; my $other = fork; guard($other ? $other : $me) }
