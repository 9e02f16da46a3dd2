# Sympa's own include of many lists in one process, as its task manager does: perl include.pl LIST@ROBOT… (SYMPA_CONFIG
# says whose). Prints how many lists succeeded.
use lib '/usr/share/sympa/lib';
use strict;
use warnings;
use Sympa;
use Sympa::CLI;
use Sympa::List;
use Sympa::Spindle::ProcessRequest;

Sympa::CLI->arrange;
my $succeeded = 0;
foreach my $id (@ARGV) {
    my ($name, $robot) = split /\@/, $id, 2;
    my $list = Sympa::List->new($name, $robot, {just_try => 1}) or die "no list $id\n";
    my $spindle = Sympa::Spindle::ProcessRequest->new(
        context          => $list,
        action           => 'include',
        role             => 'member',
        sender           => Sympa::get_address($list, 'listmaster'),
        scenario_context => {skip => 1},
    );
    die "$id was not included\n" unless $spindle and $spindle->spin;
    $succeeded++ if grep { $_->[2] eq 'include_performed' } @{$spindle->{stash} || []};
}
print "$succeeded\n";
