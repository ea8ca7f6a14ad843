"""Operations on trained weights other than training, such as merging."""
