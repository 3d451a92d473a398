"""AV-SpNET: front ends from proxy arousal and valence."""
