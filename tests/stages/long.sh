# The long forms.
# shellcheck shell=bash

full() { :; }
