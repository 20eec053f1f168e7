"""What an export is asked for, made of and described by: data that the other rooms share."""
